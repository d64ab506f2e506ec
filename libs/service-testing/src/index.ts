/** Calls and audit events of a service's own tests: who calls is believed, what is recorded has to pass the audit log's contract. */
import { type AuditCall, type Auditor, createAuditor, type NewAuditEvent } from '@wardstone/access';
import { createInMemoryTransport, createServiceClient, type CallerCheck, type Principal } from '@wardstone/rpc';
import { AuditService } from '@wardstone/rpc/gen/wardstone/audit/v1/audit_pb';
import { createTelemetry } from '@wardstone/telemetry';

/** Believes the principal that the test names, as `bearing` writes it; libs/access tests who may come this far. */
export const trustingCheck: CallerCheck = ({ authorization }) => {
  const token = authorization?.replace('Bearer ', '') ?? '';
  const principal = JSON.parse(Buffer.from(token, 'base64url').toString()) as Principal;
  return Promise.resolve({ principal, peer: 'gateway' });
};

/** The token that `trustingCheck` reads. */
export function bearing(principal: Principal): Promise<string> {
  return Promise.resolve(Buffer.from(JSON.stringify(principal)).toString('base64url'));
}

/** An event as it was recorded, and by whom. */
export interface RecordedEvent extends NewAuditEvent {
  readonly principal: Principal;
}

/** What becomes of an event: kept by the test, or refused. */
export interface TestAuditOptions {
  /** Told of every event that the audit log takes. */
  readonly onEvent: (event: RecordedEvent) => void;
  /** Before an event is recorded. Thrown: what the caller is to get, AUDIT_UNAVAILABLE as a rule. */
  readonly before?: (event: NewAuditEvent) => void;
}

/** The real auditor over an audit service that keeps nothing, behind the checks of its contract. */
export function createTestAuditor({ onEvent, before = () => undefined }: TestAuditOptions): Auditor {
  const transport = createInMemoryTransport({
    routes: (router) =>
      router.service(AuditService, {
        appendEvents: ({ events }) => ({ recorded: events.map(({ eventId }) => ({ eventId })) }),
      }),
    telemetry: createTelemetry({ service: 'audit', version: '0', logLevel: 'silent' }),
    callerCheck: trustingCheck,
  });
  const options = { baseUrl: 'http://in-memory', audience: 'audit', authorize: bearing, transport };
  const log = createAuditor(createServiceClient(AuditService, options));
  const recordAll = async (call: AuditCall, events: readonly NewAuditEvent[]): Promise<void> => {
    events.forEach(before);
    await log.recordAll(call, events);
    for (const event of events) onEvent({ ...event, principal: call.principal });
  };
  return { record: (call, event) => recordAll(call, [event]), recordAll };
}
