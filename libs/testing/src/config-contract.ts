import { expect } from 'chai';

/** What a program's configuration is tested with. */
export interface ConfigUnderTest {
  /** Reads the variables. Throws an error with `problems`, one line for each variable that is wrong. */
  readonly load: (env: NodeJS.ProcessEnv) => unknown;
  /** Every variable that the program needs, and no other. */
  readonly complete: Readonly<Record<string, string>>;
  /** A variable that it knows, and the same with a slip of the pen. */
  readonly slip: { readonly known: string; readonly written: string };
  /** Whether it has an embedded part that production must not use. */
  readonly embedded: boolean;
}

/** What the configuration of every program refuses; to be called inside `describe`. */
export function refusesBadConfig({ load, complete, slip, embedded }: ConfigUnderTest): void {
  const problemsOf = (env: NodeJS.ProcessEnv): readonly string[] => {
    try {
      load(env);
      return [];
    } catch (error) {
      if (error instanceof Error && 'problems' in error) return error.problems as readonly string[];
      throw error;
    }
  };

  it('takes what is complete', () => {
    expect(problemsOf(complete)).to.deep.equal([]);
  });

  for (const name of Object.keys(complete)) {
    it(`needs ${name}`, () => {
      expect(problemsOf({ ...complete, [name]: '' })[0]).to.match(new RegExp(`^${name}: is required`));
    });
  }

  it('refuses a variable that it does not know', () => {
    expect(problemsOf({ ...complete, [slip.written]: '2' })[0]).to.contain(`did you mean ${slip.known}`);
  });

  if (!embedded) return;
  it('refuses its embedded part in production, unless told twice', () => {
    const production = { ...complete, NODE_ENV: 'production' };
    expect(problemsOf(production)[0]).to.match(/^NODE_ENV: is production/);
    expect(problemsOf({ ...production, WARDSTONE_ALLOW_EMBEDDED: 'yes' })).to.have.length(1);
    expect(problemsOf({ ...production, WARDSTONE_ALLOW_EMBEDDED: 'yes-this-is-not-production' })).to.deep.equal([]);
  });
}
