/**
 * What passes through the queue is believed only when a service has signed it: a job by the producer, how a stage ended by the
 * service that runs the stage. Whoever holds the queue's credential can withhold, repeat and reorder, and say nothing new.
 */
import { isReason, type Reason } from '@wardstone/rpc';
import { z } from 'zod';
import {
  documentFields,
  parseStageJob,
  producer,
  stageJobSchema,
  stageOwners,
  stages,
  type Stage,
  type StageJob,
} from './job.ts';

/** Signatures of the services; wired by each service's composition root (`createJobSignatures` of libs/access). */
export interface Signatures {
  /** A signed text, without expiry: a job may wait for days. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>;
  /** Who signed the text, and what. Thrown: any error when it is not signed by a known service, or not as a job is. */
  verify(text: string): Promise<{ readonly issuer: string; readonly claims: unknown }>;
}

/** One of the jobs of one run of a document's flow. */
export interface RunningStage {
  readonly stage: Stage;
  /** Made anew each time the flow is added, so that a run never takes what another run has left. */
  readonly run: string;
  readonly job: StageJob;
}

/** How a stage ended. */
export interface StageOutcome {
  readonly stage: Stage;
  /** Set when it failed. */
  readonly reason?: Reason;
}

/** What a worker has counted of a job's runs. */
export interface Tally {
  /** Runs that failed for no known reason. */
  readonly unsureFailures: number;
  /** Runs that were begun after a worker had vanished. */
  readonly takeovers: number;
  /** BullMQ's own count at the last of them. */
  readonly stalledCount: number;
}

const noTally: Tally = { unsureFailures: 0, takeovers: 0, stalledCount: 0 };

/** Why something in the queue is not believed. */
export type Refusal =
  /** Nothing signed stands where it should. */
  | 'UNSIGNED'
  /** The signature is not one of a known service, or not over this. */
  | 'SIGNATURE_INVALID'
  /** A service signed it that may not say this. */
  | 'ISSUER_NOT_ACCEPTED'
  /** It was signed, and is not what a job or an outcome is. */
  | 'MALFORMED'
  /** It was signed for another job: another stage, document, version, tenant or run. */
  | 'OTHER_JOB';

/** Thrown for what is not believed: the job itself, or what the stage before it has left. Says nothing of the content. */
export class NotBelieved extends Error {
  readonly subject: 'job' | 'outcome';
  readonly refusal: Refusal;

  constructor(subject: 'job' | 'outcome', refusal: Refusal, options?: ErrorOptions) {
    super(`REFUSED ${subject} ${refusal}`, options);
    this.name = 'NotBelieved';
    this.subject = subject;
    this.refusal = refusal;
  }
}

const jobSchema = z.strictObject({
  kind: z.literal('job'),
  stage: z.enum(stages),
  run: z.uuid(),
  job: stageJobSchema,
});

const ofJob = { stage: z.enum(stages), run: z.uuid(), ...documentFields };

const outcomeSchema = z.strictObject({
  kind: z.literal('outcome'),
  ...ofJob,
  reason: z.string().refine(isReason).optional(),
});

const tallySchema = z.strictObject({
  kind: z.literal('tally'),
  ...ofJob,
  unsureFailures: z.int().min(0),
  takeovers: z.int().min(0),
  stalledCount: z.int().min(0),
});

const signedSchema = z.strictObject({ signed: z.string() });

/** What BullMQ stores: as data of a job, as value of one that is done, as progress. */
export type Signed = z.infer<typeof signedSchema>;

/** The data of a stage's job. */
export async function signJob(
  signatures: Pick<Signatures, 'sign'>,
  { stage, run, job }: RunningStage,
): Promise<Signed> {
  return { signed: await signatures.sign({ kind: 'job', stage, run, job }) };
}

/** The job of a stage, out of its data. Thrown: NotBelieved. */
export async function readJob(signatures: Signatures, stage: Stage, data: unknown): Promise<RunningStage> {
  const { stage: signedFor, run, job } = await open(signatures, 'job', signedText(data), jobSchema, () => producer);
  if (signedFor !== stage) throw new NotBelieved('job', 'OTHER_JOB');
  return { stage, run, job: parseStageJob(job) };
}

/** How a stage ended, as text. */
export async function signOutcome(
  signatures: Pick<Signatures, 'sign'>,
  running: RunningStage,
  reason?: Reason,
): Promise<string> {
  return signatures.sign({ kind: 'outcome', ...bindingOf(running), ...(reason === undefined ? {} : { reason }) });
}

/**
 * How an earlier stage of the same run ended. Thrown: NotBelieved, also for a stage that is not before this one, and for a
 * success of any but the one directly before it.
 */
export async function readOutcome(signatures: Signatures, running: RunningStage, text: string): Promise<StageOutcome> {
  const said = await open(signatures, 'outcome', text, outcomeSchema, ({ stage }) => stageOwners[stage]);
  const distance = stages.indexOf(running.stage) - stages.indexOf(said.stage);
  const fits = said.reason === undefined ? distance === 1 : distance >= 1;
  if (!fits || !isOf(running, said)) throw new NotBelieved('outcome', 'OTHER_JOB');
  return { stage: said.stage, ...(said.reason === undefined ? {} : { reason: said.reason }) };
}

export async function signTally(
  signatures: Pick<Signatures, 'sign'>,
  running: RunningStage,
  tally: Tally,
): Promise<Signed> {
  return { signed: await signatures.sign({ kind: 'tally', ...bindingOf(running), ...tally }) };
}

/** What a worker of this stage has counted; nothing, where nothing that is believed stands: a count decides a failure. */
export async function readTally(signatures: Signatures, running: RunningStage, progress: unknown): Promise<Tally> {
  try {
    const { stage } = running;
    const said = await open(signatures, 'job', signedText(progress), tallySchema, () => stageOwners[stage]);
    const { unsureFailures, takeovers, stalledCount } = said;
    return said.stage === stage && isOf(running, said) ? { unsureFailures, takeovers, stalledCount } : noTally;
  } catch (error) {
    if (error instanceof NotBelieved) return noTally;
    throw error;
  }
}

/** The signed text that BullMQ's data, value or progress holds, if it holds one. */
export function signedText(value: unknown): string | undefined {
  const parsed = signedSchema.safeParse(value);
  return parsed.success ? parsed.data.signed : undefined;
}

async function open<T>(
  signatures: Signatures,
  subject: 'job' | 'outcome',
  text: string | undefined,
  schema: z.ZodType<T>,
  issuerOf: (claims: T) => string,
): Promise<T> {
  if (text === undefined) throw new NotBelieved(subject, 'UNSIGNED');
  const { issuer, claims } = await signatures.verify(text).catch((cause: unknown) => {
    throw new NotBelieved(subject, 'SIGNATURE_INVALID', { cause });
  });
  const parsed = schema.safeParse(claims);
  if (!parsed.success) throw new NotBelieved(subject, 'MALFORMED');
  if (issuer !== issuerOf(parsed.data)) throw new NotBelieved(subject, 'ISSUER_NOT_ACCEPTED');
  return parsed.data;
}

type Binding = Pick<StageJob, 'tenantId' | 'documentId' | 'version'> & Pick<RunningStage, 'stage' | 'run'>;

function bindingOf({ stage, run, job: { tenantId, documentId, version } }: RunningStage): Binding {
  return { stage, run, tenantId, documentId, version };
}

function isOf(running: RunningStage, said: Omit<Binding, 'stage'>): boolean {
  const { run, tenantId, documentId, version } = bindingOf(running);
  const sameDocument = said.documentId === documentId && said.version === version && said.tenantId === tenantId;
  return said.run === run && sameDocument;
}
