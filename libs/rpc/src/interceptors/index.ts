import type { ConnectRouterOptions, HandlerContext, Interceptor } from '@connectrpc/connect';
import type { Telemetry } from '@wardstone/telemetry';
import type { CallerCheck } from '../principal.ts';
import { admit } from './admit.ts';
import { boundTime } from './bound-time.ts';
import { identify } from './identify.ts';
import { mapErrors } from './map-errors.ts';
import { createRpcMetrics } from './metrics.ts';
import { runInContext } from './run-in-context.ts';
import { validateMessages } from './validate-messages.ts';

/** What the chain needs. */
export interface ChainOptions {
  readonly telemetry: Telemetry;
  readonly callerCheck: CallerCheck;
  /** For unary calls that come without a deadline. */
  readonly defaultTimeoutMs: number;
  /** For streams that come without a deadline, and the most that any call gets. */
  readonly maxTimeoutMs: number;
  /** Aborts when the server begins to drain. */
  readonly draining: AbortSignal;
  /** Services that need no token: health and reflection. */
  readonly openServices: ReadonlySet<string>;
}

/** Looks at a call when its headers are there and before a byte of its body is read. */
export type GateStep = (context: HandlerContext) => void | Promise<void>;

/**
 * Everything that happens to a call around its handler, in order. This list is the whole of it.
 */
export function createChain(
  options: ChainOptions,
): Required<Pick<ConnectRouterOptions, 'requestGate' | 'interceptors'>> {
  const metrics = createRpcMetrics(options.telemetry.metrics);

  // Before the body: a refused call is never read, decompressed or parsed.
  const gate: GateStep[] = [
    identify(options, metrics), // request id, trace, span, metrics, deadline; ends the record when the call ends
    admit(options), // who calls, and may they: the method's access option
  ];

  // Around the handler, outermost first.
  const interceptors: Interceptor[] = [
    runInContext(), // log lines and spans of the handler belong to the call
    mapErrors(options), // whatever is thrown becomes an AppError on the wire, and a log line
    boundTime(), // the answer comes before the deadline even when the handler does not look at its signal
    validateMessages(), // every message of the request against its proto
  ];

  return {
    interceptors,
    async requestGate(context) {
      for (const step of gate) await step(context);
    },
  };
}
