import { type Ask, type Askers, createAskers } from '../answers/askers.ts';
import { startAnswerStack } from '../answers/stack.ts';
import { describeSteps, stepsOf, type StepsSoFar } from '../answers/steps.ts';
import { countStatements, lookUpAll, verifierMaterial, verifyAll } from '../answers/verifier.ts';
import type { Bench, Measured, Row } from '../row.ts';
import { alternate, alternateMedians, median, percentile } from '../statistics.ts';

const questions = 60;
const warmUps = 10;
const streams = 7;
const verifications = 7;

/** Answers of llm, and of the gateway before it, beside the bare SDK on the same double of Bedrock; and the verifier alone. */
export const answersRow: Row = {
  name: 'answers',
  measure: async ({ platform, progress, stateDir, signal }: Bench) => {
    const running = await platform.running();
    const closing: (() => Promise<unknown>)[] = [];
    try {
      progress('answers: a gateway and an llm that answer from a double of Bedrock');
      const stack = await startAnswerStack(running, stateDir, closing);
      const askers = await createAskers(running, stack, closing);
      signal.throwIfAborted();
      progress(`answers: first tokens, ${String(questions)} × 3`);
      const first = await firstTokens(askers, () => stepsOf(stack.llmUrl), signal);
      progress(`answers: long answers, ${String(streams)} × 3`);
      return [...first, ...(await streaming(askers, signal)), await verifying(progress, signal)];
    } finally {
      for (const close of closing.reverse()) await close();
    }
  },
};

const bareIs = 'ConverseStream of the AWS SDK, same double, question and excerpts';

async function firstTokens(
  { llm, gateway, bare }: Askers,
  steps: () => Promise<StepsSoFar>,
  signal: AbortSignal,
): Promise<Measured[]> {
  const firstMs = (ask: Ask) => async () => {
    signal.throwIfAborted();
    return (await ask('short')).firstMs;
  };
  const contenders = [llm, gateway, bare].map(firstMs);
  for (let round = 0; round < warmUps; round += 1) for (const contender of contenders) await contender();
  const before = await steps();
  const [ofLlm = [], ofGateway = [], ofBare = []] = await alternate(questions, contenders);
  const whole = 'the first statement, whole and checked, of a model without delay';
  const lines = (through: string, times: readonly number[], note: string): Measured[] => {
    const common = { unit: 'ms', better: 'lower', bareIs } as const;
    const what = `first token through ${through}`;
    return [
      { what: `${what}, p50`, ours: median(times), bare: median(ofBare), ...common, note },
      { what: `${what}, p95`, ours: percentile(times, 0.95), bare: percentile(ofBare, 0.95), ...common },
    ];
  };
  return [
    ...lines('llm', ofLlm, `${whole}; ${describeSteps(before, await steps())}`),
    ...lines('the gateway, server-sent events', ofGateway, whole),
  ];
}

async function streaming({ llm, gateway, bare }: Askers, signal: AbortSignal): Promise<Measured[]> {
  let tokens = 0;
  const tokensPerSecond = (ask: Ask) => async () => {
    signal.throwIfAborted();
    const took = await ask('long');
    ({ tokens } = took);
    return (took.tokens * 1000) / took.wholeMs;
  };
  const [ofLlm = 0, ofGateway = 0, ofBare = 0] = await alternateMedians(
    streams,
    [llm, gateway, bare].map(tokensPerSecond),
  );
  const common = { unit: 'tokens/s', better: 'higher', bare: ofBare, bareIs } as const;
  const note = `an answer of ${String(tokens)} tokens, one at a time, from the question to its end`;
  return [
    { what: 'streaming through llm', ours: ofLlm, ...common, note },
    { what: 'streaming through the gateway, server-sent events', ours: ofGateway, ...common, note },
  ];
}

async function verifying(progress: (line: string) => void, signal: AbortSignal): Promise<Measured> {
  const { answers, from } = await verifierMaterial();
  const statements = countStatements(answers);
  progress(`answers: the verifier, ${String(verifications)} × ${String(statements)} statements`);
  const accepted = verifyAll(answers);
  if (lookUpAll(answers) !== statements) throw new Error('a quote does not stand in its source');
  const microseconds = (check: typeof verifyAll) => async () => {
    signal.throwIfAborted();
    const before = process.threadCpuUsage();
    check(answers);
    const { user, system } = process.threadCpuUsage(before);
    return Promise.resolve((user + system) / statements);
  };
  const [ours = 0, bare = 0] = await alternateMedians(verifications, [verifyAll, lookUpAll].map(microseconds));
  return {
    ...{ what: 'verifier, a statement that quotes itself', unit: 'µs', better: 'lower', ours, bare },
    bareIs: 'normalise and includes of the quote',
    note: `processor time, reading of the sources included; ${from}; ${String(accepted)} of ${String(statements)} accepted`,
  };
}
