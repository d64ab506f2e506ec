/** The service's handlers with peers that are plain objects. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import type { CallOptions } from '@connectrpc/connect';
import {
  AppError,
  createInMemoryTransport,
  createServiceClient,
  type Principal,
  type Reason,
  type ServiceClient,
} from '@wardstone/rpc';
import { type AnswerResponse, LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { SearchResponseSchema } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { bearing, createTestAuditor, type RecordedEvent, trustingCheck } from '@wardstone/service-testing';
import { createExtractiveAnswerer, extractiveCard } from '../../src/domain/extractive-answerer.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createModels } from '../../src/domain/installed-models.ts';
import { asRetrieved } from '../../src/domain/as-retrieved.ts';
import type { AnswerModel, AnswerSettings, Conversations, Deps, ModelUsage } from '../../src/ports.ts';
import { routes } from '../../src/rpc/routes.ts';

export const tenantId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f00';
export const documentId = '0199a0c2-7a3e-7c1d-9a55-0d4c3b2a1f01';
export const clinician: Principal = { subject: 'user-1', kind: 'user', tenantId, roles: ['clinician'] };

export type Hit = MessageInitShape<typeof SearchResponseSchema>;

/** Two chunks of one document; the first runs over two pages. */
export const found: Hit = {
  hits: [
    {
      chunkId: '0199a0c2-7a3e-5c1d-9a55-0d4c3b2a1f10',
      documentId,
      version: 2,
      documentTitle: 'Discharge summary',
      text: 'Warfarin was stopped because of bleeding. He takes metformin 500 mg twice daily.',
      span: { pageStart: 4, pageEnd: 5, charStart: 1_000, charEnd: 1_080 },
      score: 0.8,
      pageBreaks: [
        { page: 4, chunkOffset: 0 },
        { page: 5, chunkOffset: 42 },
      ],
    },
    {
      chunkId: '0199a0c2-7a3e-5c1d-9a55-0d4c3b2a1f11',
      documentId,
      version: 2,
      documentTitle: 'Discharge summary',
      text: 'The weather was fine.',
      span: { pageStart: 6, pageEnd: 6, charStart: 2_000, charEnd: 2_021 },
      score: 0.2,
      pageBreaks: [{ page: 6, chunkOffset: 0 }],
    },
  ],
};

export const settings: AnswerSettings = {
  model: 'quality',
  citationPolicy: 'drop',
  completionsEnabled: false,
  monthlyBudgetMicroUsd: undefined,
  rerank: false,
  guardrail: undefined,
};

/** No question goes on with another. */
const noConversations: Conversations = {
  open: () => Promise.reject(new AppError('CONVERSATION_NOT_FOUND')),
  told: (history) => ({ id: '', history, keep: () => Promise.resolve(0) }),
};

export interface Asked {
  readonly query: string;
  readonly topK: number;
  readonly documentIds: readonly string[];
  readonly filters: readonly object[];
  readonly options: CallOptions | undefined;
}

export interface Harness {
  readonly deps: Deps;
  readonly client: ServiceClient<typeof LlmService>;
  /** What retrieval was asked. */
  readonly asked: Asked[];
  readonly events: RecordedEvent[];
  readonly logs: string[];
  /** What was counted. */
  readonly counted: ModelUsage[];
  /** What its peers do next. */
  readonly scene: {
    found: Hit;
    searchFails: Reason | undefined;
    auditFails: boolean;
    /** An action that cannot be recorded. */
    auditRefuses?: string;
    searchHolds: boolean;
    settings: AnswerSettings;
    budgetUsedUp: boolean;
    conversations: Conversations;
  };
}

export function createHarness(
  model: AnswerModel = createExtractiveAnswerer(),
  limits: Partial<Deps['limits']> = {},
): Harness {
  const asked: Asked[] = [];
  const events: Harness['events'] = [];
  const logs: string[] = [];
  const counted: ModelUsage[] = [];
  const scene: Harness['scene'] = {
    ...{ found, searchFails: undefined, auditFails: false, searchHolds: false, settings, budgetUsedUp: false },
    conversations: noConversations,
  };
  const destination = { write: (line: string) => void logs.push(line) };
  const telemetry = createTelemetry({ service: 'llm', version: '0', logLevel: 'debug', destination });
  const deps: Deps = {
    models: createModels([{ card: { ...extractiveCard, id: model.id }, model }]),
    settings: { of: () => Promise.resolve(scene.settings) },
    ledger: {
      admit: () =>
        scene.budgetUsedUp
          ? Promise.reject(new AppError('BUDGET_EXCEEDED'))
          : Promise.resolve({
              cover: () => Promise.resolve(),
              settle: (usages) => Promise.resolve(void counted.push(...usages)),
            }),
    },
    conversations: {
      open: (call, id) => scene.conversations.open(call, id),
      told: (turns) => scene.conversations.told(turns),
    },
    reranker: asRetrieved,
    retrieval: {
      search: async ({ query = '', topK = 0, documentIds = [], filters = [] }, options) => {
        asked.push({ query, topK, documentIds, filters, options });
        if (scene.searchFails !== undefined) throw new AppError(scene.searchFails);
        if (scene.searchHolds) await untilAborted(options?.signal);
        return create(SearchResponseSchema, scene.found);
      },
    },
    auditor: createTestAuditor({
      onEvent: (event) => events.push(event),
      before: ({ action }) => {
        if (scene.auditFails || scene.auditRefuses === action) throw new AppError('AUDIT_UNAVAILABLE');
      },
    }),
    metrics: createMetrics(new Registry()),
    log: telemetry.log,
    limits: { maxAnswers: 4, tenantSlotPercent: 100, ...limits },
  };
  const client = createServiceClient(LlmService, {
    baseUrl: 'http://in-memory',
    audience: 'llm',
    authorize: bearing,
    transport: createInMemoryTransport({
      routes: routes(deps),
      telemetry,
      callerCheck: trustingCheck,
    }),
  });
  return { deps, client, asked, events, logs, counted, scene };
}

/** Ends with the signal's reason, and not before. */
export async function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = (): void => reject(new AppError('CANCELLED'));
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}

export async function collect(stream: AsyncIterable<AnswerResponse>): Promise<AnswerResponse['event'][]> {
  const events: AnswerResponse['event'][] = [];
  for await (const { event } of stream) events.push(event);
  return events;
}

export async function reasonOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => AppError.from(error).reason,
  );
}
