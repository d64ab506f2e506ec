import { createModelGuard } from '@wardstone/aws/bedrock';
import { expect } from 'chai';
import { createGuardrailGuards, maxGuards } from '../src/adapters/guardrail-guards.ts';

const region = 'us-east-1';
const guardrailOf = (n: number) => ({ id: `gr-${String(n)}`, version: '1' });

describe('the guards of guardrails', () => {
  const made: string[] = [];
  const guards = () =>
    createGuardrailGuards(({ id, version }, where) => {
      made.push(`${id}/${version}@${where}`);
      return createModelGuard();
    });
  beforeEach(() => made.splice(0));

  it('are one for each guardrail, version and region', () => {
    const guardOf = guards();
    const asked = [
      [{ id: 'gr-1', version: '1' }, region],
      [{ id: 'gr-1', version: '2' }, region],
      [{ id: 'gr-2', version: '1' }, region],
      [{ id: 'gr-1', version: '1' }, 'us-west-2'],
    ] as const;
    const first = asked.map(([guardrail, where]) => guardOf(guardrail, where));
    expect(new Set(first).size).to.equal(4);
    expect(asked.map(([guardrail, where]) => guardOf({ ...guardrail }, where))).to.deep.equal(first);
    expect(made).to.deep.equal(['gr-1/1@us-east-1', 'gr-1/2@us-east-1', 'gr-2/1@us-east-1', 'gr-1/1@us-west-2']);
  });

  it('are bounded; that of the guardrail asked longest ago goes', () => {
    const guardOf = guards();
    for (let n = 0; n < maxGuards; n += 1) guardOf(guardrailOf(n), region);
    guardOf(guardrailOf(0), region);
    guardOf(guardrailOf(maxGuards), region);
    expect(made).to.have.length(maxGuards + 1);
    guardOf(guardrailOf(0), region);
    expect(made).to.have.length(maxGuards + 1);
    guardOf(guardrailOf(1), region);
    expect(made.at(-1)).to.equal('gr-1/1@us-east-1');
    expect(made).to.have.length(maxGuards + 2);
  });
});
