import { describeError, isDescription } from './describe-error.ts';

// Text is what carries content, so text is logged only under names that are known to hold ids and states. Numbers and
// booleans are logged under any name. A withheld field is visible as such, so that its author notices.

const withheld = '[withheld]';
const maxTextChars = 256;
const maxItems = 64;

const namesThatMayHoldText = new Set([
  'action',
  'address',
  'applicationName',
  'backend',
  'caller',
  'channel',
  'check',
  'code',
  'component',
  'dependency',
  'event',
  'host',
  'image',
  'issuer',
  'job',
  'kind',
  'level',
  'method',
  'mode',
  'model',
  'outcome',
  'peer',
  'permission',
  'phase',
  'platform',
  'problem',
  'procedure',
  'protocol',
  'provider',
  'purpose',
  'queue',
  'reason',
  'resource',
  'resourceType',
  'role',
  'route',
  'schema',
  'scope',
  'service',
  'signal',
  'stage',
  'state',
  'status',
  'subject',
  'type',
  'version',
  'worker',
]);

const endingsThatMayHoldText = /(?:^id|Id|^ids|Ids|Kind|State|Stage|Reason|Code|Version)$/;

/** Lets through what may be in a log line; everything else is replaced by a mark. */
export function allowFields(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, allow(name, value)]));
}

function allow(name: string, value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return mayHoldText(name) ? value.slice(0, maxTextChars) : withheld;
  if (value instanceof Error) return describeError(value);
  if (typeof value === 'object' && isDescription(value)) return value;
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item: unknown) => allow(name, item));
  return withheld;
}

function mayHoldText(name: string): boolean {
  return namesThatMayHoldText.has(name) || endingsThatMayHoldText.test(name);
}
