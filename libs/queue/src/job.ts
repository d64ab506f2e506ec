import { z } from 'zod';

/** The stages of a document, in the order in which they run. */
export const stages = ['extract', 'embed', 'index', 'publish'] as const;

/** One stage; also the name of its queue. */
export type Stage = (typeof stages)[number];

/** The one service that may add flows. */
export const producer = 'ingestion';

/** The service that runs each stage, and alone may say how it ended. */
export const stageOwners = {
  extract: 'ingestion',
  embed: 'embedding',
  index: 'retrieval',
  publish: 'ingestion',
} as const satisfies Record<Stage, string>;

/** What a job says: ids only. A queue is clear text to everyone who may read it. */
export interface StageJob {
  readonly tenantId: string;
  readonly documentId: string;
  /** Version of the document, from 1. */
  readonly version: number;
  /** Request that caused the work. */
  readonly requestId: string;
  /** W3C trace context of that request, so that the job's span is linked to it. */
  readonly traceparent?: string;
  /** Subject of the principal that asked for the work. */
  readonly requestedBy: string;
}

/** Fields that name one version of one tenant's document. */
export const documentFields = {
  tenantId: z.uuid(),
  documentId: z.uuid(),
  version: z.int().min(1).max(2_147_483_647),
};

export const stageJobSchema = z
  .strictObject({
    ...documentFields,
    requestId: z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/),
    traceparent: z
      .string()
      .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
      .optional(),
    // The subject of a token: printable ASCII without spaces (RFC 7519 StringOrURI as providers issue it).
    requestedBy: z.string().regex(/^[\x21-\x7e]{1,255}$/),
  })
  .readonly();

/** Checks a job, on the way into the queue and again on the way out. Thrown: z.ZodError. */
export function parseStageJob(value: unknown): StageJob {
  const { traceparent, ...job } = stageJobSchema.parse(value);
  return traceparent === undefined ? job : { ...job, traceparent };
}

/** Deterministic id of a stage's job. BullMQ reserves ':' in ids. */
export function stageJobId(stage: Stage, job: Pick<StageJob, 'documentId' | 'version'>): string {
  return `${stage}.${job.documentId}.${job.version}`;
}
