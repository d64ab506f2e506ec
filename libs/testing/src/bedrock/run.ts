/**
 * The double as a process of its own, for load that should not share its event loop: prints its endpoint on a line, and runs
 * until it is told to stop. Options are those of `startBedrockDouble`, and a number of calls in flight beyond which it throttles.
 */
import { parseArgs } from 'node:util';
import { startBedrockDouble } from './double.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'first-token-ms': { type: 'string', default: '0' },
    'per-token-ms': { type: 'string', default: '0' },
    'throttle-above': { type: 'string' },
  },
});

const double = await startBedrockDouble({
  port: count(values.port),
  firstTokenMs: count(values['first-token-ms']),
  perTokenMs: count(values['per-token-ms']),
  // A load test looks at its own counts.
  maxCalls: 1,
});
if (values['throttle-above'] !== undefined) {
  const throttling = { kind: 'error', type: 'ThrottlingException' } as const;
  double.fault(throttling, { whileConcurrentAbove: count(values['throttle-above']) });
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void double.close());
console.log(double.endpoint);

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${text} is no whole number`);
  return Number(text);
}
