import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { createPassLoop, holdLock, tryLock, type Database, type Pass, type PassLoop } from '../src/index.ts';
import { createFixture, type Fixture } from './fixtures.ts';

describe('passes that one process makes at a time', () => {
  let fixture: Fixture;
  let database: Database;
  const loops: PassLoop[] = [];
  before(async () => {
    fixture = await createFixture();
    database = await fixture.open();
  });
  after(() => fixture.drop());
  afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.close())));

  const open = (work: (pass: Pass) => Promise<number>, failures: unknown[] = [], lock = 'test-passes'): PassLoop => {
    const onFailure = (error: unknown): void => void failures.push(error);
    const loop = createPassLoop({ database, lock, intervalMs: 1, work, onFailure });
    loops.push(loop);
    return loop;
  };

  it('lets a lock be held by one transaction, until it ends', async () => {
    const lock = (name: string) => database.inPlatform((tx) => tryLock(tx, name));
    await database.inPlatform(async (tx) => {
      expect(await tryLock(tx, 'one')).to.equal(true);
      expect([await lock('one'), await lock('other')]).to.deep.equal([false, true]);
    });
    expect(await lock('one')).to.equal(true);
  });

  it('lets who holds a lock wait for whoever has it', async () => {
    const seen: string[] = [];
    let pid: number | undefined;
    const held = Promise.withResolvers<void>();
    const first = database.inPlatform(async (tx) => {
      await holdLock(tx, 'waited for');
      seen.push('first has it');
      await held.promise;
      seen.push('first ends');
    });
    await eventually(() => seen.length > 0, { description: 'the first has the lock' });
    const second = database.inPlatform(async (tx) => {
      const [row] = await tx.query<{ pid: number }[]>('select pg_backend_pid() as pid');
      pid = row?.pid;
      await holdLock(tx, 'waited for');
      seen.push('second has it');
    });
    const isWaiting = async (): Promise<boolean> =>
      (await fixture.server.query('select from pg_locks where pid = $1 and not granted', [pid ?? 0])).length > 0;
    await eventually(isWaiting, { description: 'the second waits' });
    held.resolve();
    await Promise.all([first, second]);
    expect(seen).to.deep.equal(['first has it', 'first ends', 'second has it']);
  });

  it('gives what the work gives, and 0 where another is at it', async () => {
    const working = Promise.withResolvers<void>();
    let isWorking = false;
    const first = open(async ({ isOver }) => {
      isWorking = !isOver();
      await working.promise;
      return 7;
    });
    const running = first.pass();
    await eventually(() => isWorking, { description: 'the first works' });
    const second = open(() => Promise.resolve(1));
    expect(await second.pass()).to.equal(0);
    expect(await open(() => Promise.resolve(2), [], 'another lock').pass()).to.equal(2);
    working.resolve();
    expect(await running).to.equal(7);
    expect(await second.pass()).to.equal(1);
  });

  it('stops the pass that runs when it is closed, waits for it, and makes no other', async () => {
    const failures: unknown[] = [];
    const seen: string[] = [];
    const loop = open(
      (pass) =>
        new Promise((_resolve, reject) => {
          seen.push('begun');
          pass.signal.addEventListener('abort', () => {
            seen.push(pass.isOver() ? 'over' : 'goes on');
            reject(new Error('stopped'));
          });
        }),
      failures,
    );
    loop.start();
    await eventually(() => seen.length > 0, { description: 'a pass runs' });
    await loop.close();
    loop.start();
    expect(seen).to.deep.equal(['begun', 'over']);
    expect(failures, 'closing is no failure').to.deep.equal([]);
    expect(await database.inPlatform((tx) => tryLock(tx, 'test-passes'))).to.equal(true);
  });
});
