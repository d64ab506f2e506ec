import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { getOption, hasOption } from '@bufbuild/protobuf';
import { access, AppError, type Access } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { TenantLifecycleService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { TenantWorkService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_work_pb';

export const tenantA = '01890000-0000-7000-8000-00000000000a';
export const tenantB = '01890000-0000-7000-8000-00000000000b';

const services: DescService[] = [
  AuditService,
  EmbeddingService,
  IngestionService,
  LlmService,
  AnswerSettingsService,
  ConversationService,
  RetrievalService,
  TenantKeyService,
  TenantLifecycleService,
  TenantWorkService,
];

/** Every RPC of the platform with its access option, from the protos themselves. */
export const rpcs: { readonly name: string; readonly method: DescMethod; readonly access: Access }[] = services
  .flatMap((service) => service.methods)
  .map((method) => {
    if (!hasOption(method, access)) throw new Error(`${method.name} declares no access`);
    return { name: `${method.parent.name}.${method.name}`, method, access: getOption(method, access) };
  });

/** One RPC by its name. */
export function rpc(name: string): (typeof rpcs)[number] {
  const found = rpcs.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`there is no RPC ${name}`);
  return found;
}

/** What a promise was rejected with, by reason. */
export async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return error instanceof AppError ? error.reason : String(error);
  }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The token with one character changed in its two highest bits: the lower ones may be unused at the end of a part. */
export function tampered(token: string, at: number): string {
  const value = alphabet.indexOf(token[at] ?? '');
  const other = value === -1 ? 'A' : (alphabet[(value + 16) % 64] ?? '');
  return `${token.slice(0, at)}${other}${token.slice(at + 1)}`;
}
