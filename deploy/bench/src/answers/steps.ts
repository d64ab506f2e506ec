/** Where llm's time goes, from its own metrics. */

interface Step {
  readonly name: string;
  /** A histogram in seconds, and what its labels hold. */
  readonly metric: string;
  readonly labels: string;
}

const steps: readonly Step[] = [
  { name: 'stub search', metric: 'rpc_client_duration_seconds', labels: 'method="Search"' },
  { name: 'audit event', metric: 'rpc_client_duration_seconds', labels: 'method="AppendEvents"' },
  { name: "the model's first event", metric: 'wardstone_llm_first_token_seconds', labels: 'model=' },
];

/** Seconds and number of each step so far. */
export type StepsSoFar = ReadonlyMap<string, { readonly seconds: number; readonly count: number }>;

export async function stepsOf(llmUrl: string): Promise<StepsSoFar> {
  const text = await (await fetch(`${llmUrl}/metrics`)).text();
  return new Map(
    steps.map(({ name, metric, labels }) => [
      name,
      { seconds: sumOf(text, `${metric}_sum`, labels), count: sumOf(text, `${metric}_count`, labels) },
    ]),
  );
}

/** Means between the two, in milliseconds. */
export function describeSteps(before: StepsSoFar, after: StepsSoFar): string {
  const means = steps.map(({ name }) => {
    const [from, to] = [before.get(name), after.get(name)];
    const count = (to?.count ?? 0) - (from?.count ?? 0);
    const seconds = (to?.seconds ?? 0) - (from?.seconds ?? 0);
    return `${name} ${count === 0 ? '?' : ((seconds / count) * 1000).toFixed(1)}`;
  });
  return `means of its steps in ms: ${means.join(', ')}`;
}

function sumOf(text: string, metric: string, labels: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
