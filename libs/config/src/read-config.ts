import { readFileSync } from 'node:fs';
import type { z } from 'zod';

const prefix = 'WARDSTONE_';

// The test harness has variables of its own; a program started by a test inherits them and must not stumble over them.
const harnessPrefix = 'WARDSTONE_TEST_';

/** Thrown when the environment does not describe a valid configuration. Lists every problem, never a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** One sentence per problem, each beginning with the variable's name. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/**
 * Reads and checks environment variables once. The schema's keys are the variables' names; a variable that is set to the
 * empty string counts as not set, because that is how Compose and Kubernetes pass on what is absent. A variable NAME may
 * instead be given as NAME_FILE, a file that holds the value (one trailing newline is dropped): how secrets arrive.
 *
 * Thrown: ConfigError, listing every problem at once, including names with our prefix that the schema does not know.
 */
export function readConfig<S extends z.ZodObject>(schema: S, env: NodeJS.ProcessEnv): Readonly<z.infer<S>> {
  const known = new Set(Object.keys(schema.shape));
  const set = Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const { given, problems: fileProblems } = readSecretFiles(Object.fromEntries(set), known);
  const unknown = Object.keys(given)
    .filter((name) => name.startsWith(prefix) && !name.startsWith(harnessPrefix) && !known.has(name))
    .map((name) => `${name}: is not a variable of this program${suggestion(name, known)}`);

  const own = Object.fromEntries(Object.entries(given).filter(([name]) => known.has(name)));
  const result = schema.safeParse(own);
  const invalid = result.success
    ? []
    : result.error.issues.map((issue) => `${issue.path.join('.') || 'configuration'}: ${describe(issue, own)}`);

  const problems = [...fileProblems, ...invalid, ...unknown].sort();
  if (problems.length > 0 || !result.success) throw new ConfigError(problems);
  return deepFreeze(result.data);
}

/** Replaces each NAME_FILE, where NAME is a known variable and NAME_FILE is not, by NAME with the file's text. */
function readSecretFiles(set: Readonly<Record<string, string>>, known: ReadonlySet<string>) {
  const given: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(set)) {
    const target = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : '';
    if (known.has(name) || !known.has(target)) {
      given[name] = value;
    } else if (target in set) {
      problems.push(`${name}: is set together with ${target}; set one of them`);
    } else {
      try {
        given[target] = readFileSync(value, 'utf8').replace(/\r?\n$/, '');
      } catch {
        problems.push(`${name}: its file cannot be read`);
      }
    }
  }
  return { given, problems };
}

function describe(issue: z.core.$ZodIssue, given: Record<string, string | undefined>): string {
  const name = String(issue.path[0] ?? '');
  if (issue.code === 'invalid_type' && !(name in given)) return 'is required';
  // Zod's own messages name what was expected and, for some codes, quote the input. A secret must not be quoted.
  return issue.code === 'custom' || issue.code === 'invalid_format' ? issue.message : expectation(issue);
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small') return `must be at least ${String(issue.minimum)}`;
  if (issue.code === 'too_big') return `must be at most ${String(issue.maximum)}`;
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'invalid_type') return `must be a valid ${issue.expected}`;
  return 'is not valid';
}

function suggestion(name: string, known: ReadonlySet<string>): string {
  const near = [...known].map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  near.sort((a, b) => a.distance - b.distance);
  const best = near[0];
  return best && best.distance <= 3 ? `; did you mean ${best.candidate}?` : '';
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function deepFreeze<T>(value: T): Readonly<T> {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
