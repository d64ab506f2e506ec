import { documentFailures, reasons, type Reason } from '@wardstone/rpc';
import { expect } from 'chai';
import type { RouteDeps } from '../src/deps.ts';
import { everywhere, withBody } from '../src/openapi/document.ts';
import type { Route } from '../src/route.ts';
import { allRoutes } from '../src/routes/index.ts';
import { testLimits } from './support/world.ts';

const declared = (): Route[] => allRoutes({ services: {}, limits: testLimits } as unknown as RouteDeps);

/** What can go wrong with what a service uses to answer. */
const faultsOf = {
  /** The tenant itself, at the gate of a service that holds its data. */
  tenant: ['TENANT_SUSPENDED', 'TENANT_OFFBOARDING'],
  keys: [
    'KEY_UNAVAILABLE',
    'KEY_DISABLED',
    'KEY_PENDING_DELETION',
    'KMS_THROTTLED',
    'KMS_ACCESS_DENIED',
    'CREDENTIALS_EXPIRED',
    'CLOCK_SKEW',
  ],
  sealed: ['SEALED_VALUE_INVALID'],
  objects: [
    'OBJECT_STORE_UNAVAILABLE',
    'OBJECT_STORE_THROTTLED',
    'OBJECT_STORE_ACCESS_DENIED',
    'CREDENTIALS_EXPIRED',
    'CLOCK_SKEW',
  ],
  database: ['DATABASE_UNAVAILABLE'],
  audit: ['AUDIT_UNAVAILABLE'],
  /** What a question is embedded with: whatever is wrong with it, it is not to be had. */
  embedder: ['MODEL_UNAVAILABLE'],
  model: [
    'MODEL_UNAVAILABLE',
    'MODEL_THROTTLED',
    'MODEL_TIMEOUT',
    'MODEL_STREAM_BROKEN',
    'MODEL_QUOTA_EXCEEDED',
    'MODEL_INPUT_INVALID',
    'MODEL_NOT_FOUND',
    'MODEL_ACCESS_DENIED',
  ],
} as const satisfies Readonly<Record<string, readonly Reason[]>>;

const readsDocument = ['tenant', 'keys', 'sealed', 'database', 'audit'] as const;
const ofLifecycle = ['database', 'audit'] as const;

/** What stands behind each operation; one that is new has to say it. */
const uses: Readonly<Record<string, readonly (keyof typeof faultsOf)[]>> = {
  uploadDocument: [...readsDocument, 'objects'],
  listDocuments: readsDocument,
  getDocument: readsDocument,
  watchDocument: readsDocument,
  downloadDocument: [...readsDocument, 'objects'],
  // Objects that cannot be removed at once are left to the reconciler, and titles are not opened.
  deleteDocument: ['tenant', 'database', 'audit'],
  // A passage that does not open is no hit.
  search: ['tenant', 'keys', 'database', 'audit', 'embedder'],
  createAnswer: ['tenant', 'keys', 'database', 'audit', 'model'],
  createChatCompletion: ['tenant', 'keys', 'database', 'audit', 'model'],
  listModels: ['tenant', 'database'],
  getModel: ['tenant', 'database'],
  createConversation: readsDocument,
  listConversations: readsDocument,
  getConversation: readsDocument,
  deleteConversation: ['tenant', 'database', 'audit'],
  getAnswerSettings: ['tenant', 'database'],
  updateAnswerSettings: ['tenant', 'database', 'audit'],
  getUsage: ['tenant', 'database'],
  createTenant: ['keys', ...ofLifecycle],
  listTenants: ofLifecycle,
  getTenant: ofLifecycle,
  suspendTenant: ofLifecycle,
  resumeTenant: ofLifecycle,
  startKeyRotation: ['tenant', 'keys', ...ofLifecycle],
  getLatestKeyRotation: ['database'],
  getKeyRotation: ['database'],
  requestOffboarding: ofLifecycle,
  // What KMS does with a decision is the driver's to repeat, and no answer.
  approveOffboarding: ofLifecycle,
  cancelOffboarding: ofLifecycle,
  getOffboarding: ['database'],
  listAuditEvents: ofLifecycle,
  getMe: [],
};

/** Reasons that no operation answers with, and why. */
const unanswered: readonly Reason[] = [
  // What becomes of a document is in the document.
  ...documentFailures.filter(
    (reason) =>
      !['UNSUPPORTED_TYPE', 'TEXT_ENCODING', 'SEALED_VALUE_INVALID', 'INTERNAL', 'MODEL_INPUT_INVALID'].includes(
        reason,
      ),
  ),
  // Of HTTP itself, where there is no operation yet, or nobody to answer any more.
  'NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'HEADERS_TOO_LARGE',
  'CANCELLED',
  'UNIMPLEMENTED',
  // Between services.
  'CALLER_NOT_ACCEPTED',
  'UPLOAD_PROTOCOL',
  'WORK_NOT_FOUND',
  // What is sealed under a version that is not to be had is SEALED_VALUE_INVALID.
  'KEY_VERSION_NOT_FOUND',
  'KEY_VERSION_RETIRED',
  'OBJECT_CHANGED',
  // An upload is accepted without the queue.
  'QUEUE_UNAVAILABLE',
];

describe('the problems of an operation', () => {
  it('are all that can go wrong with what stands behind it', () => {
    const operations = declared();
    expect(operations.map(({ operationId }) => operationId)).to.have.members(Object.keys(uses));
    for (const { operationId, problems = [] } of operations) {
      const faults = (uses[operationId] ?? []).flatMap((part) => faultsOf[part]);
      expect(problems, operationId).to.include.members([...new Set(faults)]);
    }
  });

  it('name every reason of the catalogue somewhere, but those that nobody is answered with', () => {
    const listed = new Set<Reason>([
      ...everywhere,
      ...withBody,
      ...declared().flatMap(({ problems = [] }) => problems),
    ]);
    const missing = (Object.keys(reasons) as Reason[]).filter((reason) => !listed.has(reason));
    expect(missing).to.have.members(unanswered);
  });
});
