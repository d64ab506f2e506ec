import { expect } from 'chai';
import { createFairSlots, type FairSlots, type SlotOptions } from '../src/extraction/fair-slots.ts';
import { reasonOf } from './support/upload.ts';

const { signal: never } = new AbortController();

/** Slots whose holders are seen by name, "A2" being tenant A's second; a test says who leaves. */
class Watched {
  readonly admitted: string[] = [];
  readonly slots: FairSlots;
  readonly #counts = new Map<string, number>();

  constructor(options: SlotOptions) {
    this.slots = createFairSlots(options);
  }

  async come(tenant: string, times = 1): Promise<void> {
    for (let n = 0; n < times; n += 1) {
      const count = (this.#counts.get(tenant) ?? 0) + 1;
      this.#counts.set(tenant, count);
      void this.slots.take(tenant, never).then(() => this.admitted.push(`${tenant}${String(count)}`));
    }
    await settled();
  }

  async leave(...tenants: string[]): Promise<void> {
    for (const tenant of tenants) {
      this.slots.leave(tenant);
      await settled();
    }
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the slots of the extraction pool', () => {
  it('go to another tenant next, however many documents the first one has waiting', async () => {
    const watched = new Watched({ slots: 1, perTenant: 1 });
    await watched.come('A', 5);
    await watched.come('B');
    await watched.leave('A', 'B', 'A');
    expect(watched.admitted).to.deep.equal(['A1', 'B1', 'A2', 'A3']);
  });

  it('go round among all tenants that wait', async () => {
    const watched = new Watched({ slots: 1, perTenant: 1 });
    for (const tenant of ['A', 'B', 'C']) await watched.come(tenant, 3);
    await watched.leave('A', 'B', 'C', 'A', 'B', 'C', 'A', 'B');
    expect(watched.admitted.join(' ')).to.equal('A1 B1 C1 A2 B2 C2 A3 B3 C3');
  });

  it('are all one tenant’s while nobody else waits, and shared when somebody does', async () => {
    const watched = new Watched({ slots: 4, perTenant: 2 });
    await watched.come('A', 8);
    expect(watched.admitted).to.deep.equal(['A1', 'A2', 'A3', 'A4']);
    await watched.come('B', 8);
    await watched.leave('A', 'A');
    expect(watched.admitted.slice(4), 'until the share is reached').to.deep.equal(['B1', 'B2']);
    await watched.leave('A', 'B');
    expect(watched.admitted.slice(6), 'each its own again').to.deep.equal(['A5', 'B3']);
  });

  it('are not left empty because those who wait have their share already', async () => {
    const watched = new Watched({ slots: 4, perTenant: 1 });
    await watched.come('A', 8);
    await watched.come('B', 4);
    await watched.leave('A', 'A', 'A');
    expect(watched.admitted.slice(4)).to.deep.equal(['B1', 'B2', 'A5']);
  });

  it('come to everybody, although new tenants arrive all the time', async () => {
    const watched = new Watched({ slots: 1, perTenant: 1 });
    await watched.come('A', 2);
    for (const tenant of ['B', 'C', 'D', 'E']) {
      await watched.come(tenant);
      await watched.leave(watched.admitted.at(-1)?.charAt(0) ?? '');
    }
    expect(watched.admitted).to.deep.equal(['A1', 'B1', 'A2', 'C1', 'D1']);
  });

  it('are not waited for by who was cancelled, or came too late', async () => {
    const { slots, admitted } = new Watched({ slots: 1, perTenant: 1 });
    await slots.take('A', never);
    const controller = new AbortController();
    const cancelled = reasonOf(slots.take('A', controller.signal));
    const closed = reasonOf(slots.take('B', never));
    expect(slots.waiting()).to.equal(2);
    controller.abort();
    expect(await cancelled).to.equal('CANCELLED');
    expect(slots.waiting()).to.equal(1);
    slots.close();
    expect(await closed).to.equal('SERVICE_UNAVAILABLE');
    expect(await reasonOf(slots.take('C', never))).to.equal('SERVICE_UNAVAILABLE');
    expect(await reasonOf(slots.take('C', AbortSignal.abort()))).not.to.equal('none');
    slots.leave('A');
    expect(slots.waiting()).to.equal(0);
    expect(admitted).to.deep.equal([]);
  });
});
