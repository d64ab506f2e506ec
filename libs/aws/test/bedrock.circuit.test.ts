/** The circuit by a clock of its own; bedrock.guard.test.ts has it around real calls. */
import { expect } from 'chai';
import { createCircuit, type Verdict } from '../src/bedrock/circuit.ts';

describe('the circuit of a model', () => {
  const options = { minAttempts: 4, windowMs: 1_000, firstOpenMs: 100, maxOpenMs: 400 };
  let nowMs = 0;
  const positions: string[] = [];
  const circuit = () => {
    nowMs = 10_000;
    positions.length = 0;
    return createCircuit(
      options,
      (position) => positions.push(position),
      () => nowMs,
    );
  };
  type Circuit = ReturnType<typeof circuit>;
  const attempt = (of: Circuit, verdict: Verdict): boolean => {
    const tell = of.enter();
    tell?.(verdict);
    return tell !== undefined;
  };
  const opened = (): Circuit => {
    const of = circuit();
    for (let count = 0; count < options.minAttempts; count += 1) attempt(of, 'away');
    expect(of.position()).to.equal('open');
    return of;
  };
  /** How long it lets nobody through, to a millisecond. */
  const closedFor = (of: Circuit): number => {
    const from = nowMs;
    while (of.refuses()) nowMs += 1;
    return nowMs - from;
  };

  it('opens when most of enough attempts of the window failed, and not before', () => {
    const of = circuit();
    for (const verdict of ['away', 'well', 'away', 'well', 'nothing'] as const) attempt(of, verdict);
    expect(of.position()).to.equal('closed');
    attempt(of, 'away');
    expect(of.position()).to.equal('open');
    expect(attempt(of, 'well')).to.equal(false);
  });

  it('forgets what was before the window', () => {
    const of = circuit();
    for (const _ of [1, 2, 3]) attempt(of, 'away');
    nowMs += options.windowMs + 100;
    attempt(of, 'away');
    expect(of.position()).to.equal('closed');
  });

  it('lets one through to try; a success closes it, and what says nothing leaves it to the next', () => {
    const of = opened();
    expect(closedFor(of)).to.be.within(options.firstOpenMs / 2, options.firstOpenMs);
    const trial = of.enter();
    expect(of.enter()).to.equal(undefined);
    trial?.('nothing');
    expect(of.position()).to.equal('half-open');
    expect(attempt(of, 'well')).to.equal(true);
    expect(positions).to.deep.equal(['open', 'half-open', 'closed']);
  });

  it('stays open longer with every trial that fails, up to a bound', () => {
    const of = opened();
    for (const longest of [100, 200, 400, 400]) {
      expect(closedFor(of)).to.be.within(longest / 2, longest);
      expect(attempt(of, 'away')).to.equal(true);
    }
  });
});
