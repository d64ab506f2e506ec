import type { Context, Span } from '@opentelemetry/api';
import { type ContextValues, createContextKey } from '@connectrpc/connect';
import type { Logger, RequestContext } from '@wardstone/telemetry';
import { AppError } from '../app-error.ts';

/** What the chain keeps of a call from its headers to its end. */
export interface CallRecord {
  readonly requestId: string;
  readonly span: Span;
  /** OpenTelemetry context in which the handler runs. */
  readonly traceContext: Context;
  readonly log: Logger;
  /** Aborts on cancel, on the deadline and at the end. */
  readonly signal: AbortSignal;
  timeoutMs(): number;
  /** Completed by admit with the tenant, the caller and the subject. */
  logContext: RequestContext;
  /** Why the call failed; set by whoever finds out first. */
  failure: AppError | undefined;
  /** Whether the handler's answer was handed over in full. */
  answered: boolean;
}

const recordKey = createContextKey<CallRecord | undefined>(undefined, { description: 'wardstone call record' });

/** The record of a call. */
export function recordOf(values: ContextValues): CallRecord {
  const record = values.get(recordKey);
  if (!record) throw new AppError('INTERNAL', { cause: new Error('the call did not come through the gate') });
  return record;
}

/** Begins the record of a call. */
export function setRecord(values: ContextValues, record: CallRecord): void {
  values.set(recordKey, record);
}
