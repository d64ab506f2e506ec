/** What is kept, over a real database and real seals; peers are plain objects. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import type { DescService } from '@bufbuild/protobuf';
import type { NewAuditEvent } from '@wardstone/access';
import { createKeyRing, type KeyRing } from '@wardstone/crypto';
import { migrate, openDatabase, type Database } from '@wardstone/db';
import {
  AppError,
  asPrincipal,
  createInMemoryTransport,
  createServiceClient,
  type Principal,
  type ServiceClient,
} from '@wardstone/rpc';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import { ConversationService } from '@wardstone/rpc/gen/wardstone/llm/v1/conversation_pb';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { createTestDatabase, type TestDatabase } from '@wardstone/testing';
import { bearing, type RecordedEvent, trustingCheck } from '@wardstone/service-testing';
import { v7 as uuidv7 } from 'uuid';
import { createSettingsSource } from '../../src/adapters/answer-settings.ts';
import { createConversations } from '../../src/adapters/conversations.ts';
import { createUsageLedger } from '../../src/adapters/usage-ledger.ts';
import { entities } from '../../src/db/entities.ts';
import { migrations } from '../../src/db/migrations.ts';
import { defaultSettings } from '../../src/domain/answer-settings.ts';
import type { Retention } from '../../src/domain/retention.ts';
import { createHistoryMetrics, createUsageMetrics } from '../../src/metrics.ts';
import type { AnswerModel, ConversationDeps, Reranker, Limits, SettingsDeps } from '../../src/ports.ts';
import { routes, storeRoutes } from '../../src/rpc/routes.ts';
import { createHarness } from './harness.ts';

export interface StoreHarness {
  readonly database: Database;
  readonly testDatabase: TestDatabase;
  readonly deps: ConversationDeps & SettingsDeps;
  readonly registry: Registry;
  readonly answers: ServiceClient<typeof LlmService>;
  readonly conversations: ServiceClient<typeof ConversationService>;
  readonly settings: ServiceClient<typeof AnswerSettingsService>;
  readonly events: RecordedEvent[];
  /** What retrieval was asked. */
  readonly asked: readonly { readonly query: string; readonly topK: number }[];
  readonly logs: string[];
  /** `onRecord` runs before an event counts as recorded. */
  readonly faults: { audit: boolean; onRecord: ((event: NewAuditEvent) => Promise<unknown>) | undefined };
  /** Actions that were recorded while a transaction waited for it; there must be none. */
  readonly recordedInTransaction: readonly string[];
  /** New writes of the tenant use this version, and versions below `retired` open nothing. */
  useKeyVersion(tenantId: string, version: number, retired?: number): void;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly reranker?: Reranker;
  readonly model?: AnswerModel;
  readonly retention?: Partial<Retention>;
  readonly window?: Partial<ConversationDeps['window']>;
  readonly clock?: { now: Date };
  readonly limits?: Partial<Limits>;
}

/** Somebody of a tenant; a clinician named user-1 unless told. */
export function someone(tenantId: string, who: Partial<Principal> = {}): Principal {
  return { subject: 'user-1', kind: 'user', tenantId, roles: ['clinician'], ...who };
}

/** Options of a call of somebody's. */
export function as(tenantId: string, who: Partial<Principal> = {}) {
  return asPrincipal(someone(tenantId, who), { requestId: 'request-1' });
}

export const newTenant = uuidv7;

export async function openStore(options: StoreOptions = {}): Promise<StoreHarness> {
  const testDatabase = await createTestDatabase({ schemas: ['llm'] });
  const { ownerUrl, appRole, appUrl } = testDatabase.schema('llm');
  await migrate({ ownerUrl, appRole, schema: 'llm', migrations });
  const opened = await openDatabase({ url: appUrl, schema: 'llm', entities, applicationName: 'llm-test' });
  const { database, isInTransaction } = watched(opened);
  const plain = createHarness(options.model);
  const logs: string[] = [];
  const destination = { write: (line: string) => void logs.push(line) };
  const telemetry = createTelemetry({ service: 'llm', version: '0', logLevel: 'debug', destination });
  const { log } = telemetry;
  const faults: StoreHarness['faults'] = { audit: false, onRecord: undefined };
  const recordedInTransaction: string[] = [];
  const { keys, useKeyVersion } = testKeys();
  const record = async (call: { readonly principal: Principal }, event: NewAuditEvent): Promise<void> => {
    if (isInTransaction()) recordedInTransaction.push(event.action);
    if (faults.audit) throw new AppError('AUDIT_UNAVAILABLE');
    plain.events.push({ ...event, principal: call.principal });
    await faults.onRecord?.(event);
  };
  const registry = new Registry();
  const deps: ConversationDeps & SettingsDeps = {
    ...{ database, keys, log },
    auditor: {
      record,
      recordAll: async (call, all) => {
        for (const one of all) await record(call, one);
      },
    },
    metrics: createHistoryMetrics(registry),
    retention: { maxConversations: 50, maxTurns: 20, maxAgeMs: undefined, ...options.retention },
    window: { maxTurns: 6, maxTokens: 4_000, ...options.window },
    models: plain.deps.models,
    settings: createSettingsSource(database, defaultSettings('drop')),
  };
  const clock = options.clock;
  const ledger = createUsageLedger({
    ...{ database, log, metrics: createUsageMetrics(registry) },
    ...(clock === undefined ? {} : { now: () => clock.now }),
  });
  const answering = {
    ...plain.deps,
    ...{ ledger, models: deps.models, settings: deps.settings, auditor: deps.auditor },
    conversations: createConversations(deps),
    ...(options.reranker === undefined ? {} : { reranker: options.reranker }),
  };
  const transport = createInMemoryTransport({
    routes: (router) => {
      routes(answering)(router);
      storeRoutes(deps, deps, { ...plain.deps.limits, ...options.limits })(router);
    },
    telemetry,
    callerCheck: trustingCheck,
  });
  const clientOf = <S extends DescService>(service: S): ServiceClient<S> =>
    createServiceClient(service, {
      baseUrl: 'http://in-memory',
      audience: 'llm',
      authorize: bearing,
      transport,
    });
  return {
    ...{ database, testDatabase, deps, registry, logs, faults, useKeyVersion, recordedInTransaction },
    answers: clientOf(LlmService),
    conversations: clientOf(ConversationService),
    settings: clientOf(AnswerSettingsService),
    events: plain.events,
    asked: plain.asked,
    async close() {
      await database.close();
      await telemetry.shutdown();
      await testDatabase.drop();
    },
  };
}

/** The database, and whether the caller is within one of its transactions. */
function watched(database: Database): { readonly database: Database; isInTransaction(): boolean } {
  const within = new AsyncLocalStorage<true>();
  return {
    database: {
      ...database,
      inTenant: (tenantId, work, how) => database.inTenant(tenantId, (tx) => within.run(true, () => work(tx)), how),
      inPlatform: (work, how) => database.inPlatform((tx) => within.run(true, () => work(tx)), how),
    },
    isInTransaction: () => within.getStore() === true,
  };
}

/** Keys that differ by tenant, purpose and version. */
function testKeys(): { readonly keys: KeyRing; useKeyVersion: StoreHarness['useKeyVersion'] } {
  const current = new Map<string, number>();
  const retired = new Map<string, number>();
  const keys = createKeyRing({
    fetch: (tenantId, purpose, asked) => {
      const currentVersion = current.get(tenantId) ?? 1;
      const version = asked === 0 ? currentVersion : asked;
      if (version < (retired.get(tenantId) ?? 1)) return Promise.reject(new AppError('KEY_VERSION_RETIRED'));
      const key = createHash('sha256')
        .update(`${tenantId} ${purpose} ${String(version)}`)
        .digest();
      return Promise.resolve({ key, version, currentVersion, maxAgeMs: 60_000 });
    },
  });
  return {
    keys,
    useKeyVersion: (tenantId, version, below = 1) => {
      current.set(tenantId, version);
      retired.set(tenantId, below);
      keys.forget(tenantId);
    },
  };
}
