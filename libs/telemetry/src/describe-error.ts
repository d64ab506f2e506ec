/** What a log may say of an error. Holds no text that could carry content. */
export interface ErrorDescription {
  readonly name: string;
  readonly reason?: string;
  readonly code?: string | number;
  /** Only of an AppError, whose message is written to be shown. */
  readonly message?: string;
  /** Frames only: the head of a stack repeats the message. */
  readonly stack?: string;
  readonly cause?: ErrorDescription;
  readonly errors?: readonly ErrorDescription[];
}

const maxDepth = 4;
const maxErrors = 4;
const maxFrames = 20;

/**
 * Describes an error for a log line: name, reason, code, stack frames and causes. Messages of errors that are not ours are
 * dropped, and with them everything else an error may carry (pg's detail, where and parameters, fetch's url), because a
 * driver's message quotes values.
 */
export function describeError(error: unknown): ErrorDescription {
  const description = describe(error, 0);
  made.add(description);
  return description;
}

/** Whether a value is what describeError made, and so may be logged as it is. */
export function isDescription(value: object): boolean {
  return made.has(value);
}

const made = new WeakSet();

function describe(error: unknown, depth: number): ErrorDescription {
  if (!(error instanceof Error)) return { name: error === null ? 'null' : typeof error };
  const ours = isAppError(error);
  const code = 'code' in error ? safeCode(error.code) : undefined;
  return {
    name: safeName(error.name),
    ...(ours && { reason: error.reason, message: error.message }),
    ...(code !== undefined && { code }),
    stack: frames(error.stack),
    ...(error.cause !== undefined && depth < maxDepth && { cause: describe(error.cause, depth + 1) }),
    ...(error instanceof AggregateError &&
      depth < maxDepth && { errors: error.errors.slice(0, maxErrors).map((inner) => describe(inner, depth + 1)) }),
  };
}

// Told by shape, because the error's class lives in a library that is built on this one.
function isAppError(error: Error): error is Error & { readonly reason: string } {
  return error.name === 'AppError' && 'reason' in error && typeof error.reason === 'string';
}

function safeName(name: unknown): string {
  return typeof name === 'string' && /^[\w$.]{1,64}$/.test(name) ? name : 'Error';
}

function safeCode(code: unknown): string | number | undefined {
  if (typeof code === 'number') return code;
  return typeof code === 'string' && /^[A-Za-z0-9_.-]{1,64}$/.test(code) ? code : undefined;
}

/** `at f (file:///x.js:1:2)`, `at node:net:1:2`: a place in code. A message's own lines do not look like it. */
const framePattern =
  /^ {4}at (?:(?:async |new )*[\w$.<>#[\] ]{1,200} \()?(?:file:\/\/|node:|\/|<anonymous>)[^\s()]*(?::\d+:\d+)?\)?$/;

function frames(stack: unknown): string {
  if (typeof stack !== 'string') return '';
  return stack
    .split('\n')
    .filter((line) => framePattern.test(line))
    .slice(0, maxFrames)
    .map((line) => line.trim())
    .join('\n');
}
