import { trace } from '@opentelemetry/api';
import { type DestinationStream, type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino';
import { allowFields } from './log-fields.ts';
import { requestContext } from './request-context.ts';

const maxMessageChars = 300;

/**
 * Makes the service's logger: JSON lines that carry the request being served and its trace, and of everything else only
 * what log-fields.ts lets through.
 */
export function createLogger(options: {
  readonly service: string;
  readonly version: string;
  readonly logLevel: string;
  readonly destination?: DestinationStream | undefined;
}): Logger {
  const settings: LoggerOptions = {
    level: options.logLevel,
    base: { service: options.service, version: options.version },
    timestamp: stdTimeFunctions.isoTime,
    mixin: whoAsked,
    // Ours win over a line's own fields: a line cannot claim to be part of another request.
    mixinMergeStrategy: (line, mixed) => ({ ...line, ...mixed }),
    formatters: { level: (label) => ({ level: label }), log: allowFields, bindings: allowFields },
    serializers: { err: identity, error: identity },
    hooks: {
      logMethod(args, method) {
        method.apply(this, safeArguments(args));
      },
    },
  };
  const log = options.destination ? pino(settings, options.destination) : pino(settings);
  // Pino takes a child's bindings as they are. Children inherit from the logger, and so get this child() too.
  const makeChild: (this: Logger, bindings: object) => Logger = log.child;
  return Object.assign(log, {
    child(this: Logger, bindings: Record<string, unknown>) {
      return makeChild.call(this, allowFields(bindings));
    },
  });
}

function whoAsked(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return { ...requestContext.get(), ...(span && { traceId: span.traceId, spanId: span.spanId }) };
}

// Pino uses an error's message as the line's when none is given, and formats further arguments into it. Neither may happen:
// a line's message is the one constant string that the code wrote.
function safeArguments(args: readonly unknown[]): [object, string] | [string] {
  const [first, second] = args;
  if (typeof first === 'string') return [first.slice(0, maxMessageChars)];
  const fields = first instanceof Error ? { err: first } : isRecord(first) ? first : {};
  const message = typeof second === 'string' ? second.slice(0, maxMessageChars) : 'no message';
  return [fields, message];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function identity<T>(value: T): T {
  return value;
}
