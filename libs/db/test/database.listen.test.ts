import { expect } from 'chai';
import { eventually } from '@wardstone/testing';
import { createFixture, type Fixture } from './fixtures.ts';

describe('listen', () => {
  let fixture: Fixture;
  beforeEach(async () => (fixture = await createFixture()));
  afterEach(async () => fixture.drop());

  it('gives the payloads of its channel, until it is stopped', async () => {
    const database = await fixture.open();
    const [first, second]: [string[], string[]] = [[], []];
    const stop = await database.listen('one_channel', (payload) => first.push(payload));
    await database.listen('other_channel', (payload) => second.push(payload));
    await fixture.server.query(`select pg_notify('one_channel', 'a'), pg_notify('other_channel', 'b')`);
    await eventually(() => second.length === 1 && first.length === 1, { description: 'both notifications' });
    await stop();
    await fixture.server.query(`select pg_notify('one_channel', 'c'), pg_notify('other_channel', 'd')`);
    await eventually(() => second.length === 2, { description: 'the second notification' });
    expect([first, second]).to.deep.equal([['a'], ['b', 'd']]);
  });

  it('listens again after the connection was lost, and says so', async () => {
    const database = await fixture.open();
    const received: string[] = [];
    let reconnects = 0;
    const options = { onReconnect: () => (reconnects += 1) };
    await database.listen('one_channel', (payload) => received.push(payload), options);
    for (const round of [1, 2]) {
      await fixture.server.terminateConnections();
      await eventually(() => reconnects === round, { description: `reconnect ${round}` });
      await fixture.server.query(`select pg_notify('one_channel', $1)`, [`after ${round}`]);
      await eventually(() => received.includes(`after ${round}`), { description: 'the notification' });
    }
  });

  it('begins to listen when the server comes, if it was away at first', async () => {
    const away = await fixture.server.refuseConnections();
    const database = await fixture.open();
    const received: string[] = [];
    let connected = false;
    await database.listen('one_channel', (payload) => received.push(payload), {
      onReconnect: () => (connected = true),
    });
    await away.accept();
    await eventually(() => connected, { description: 'the first connection' });
    await fixture.server.query(`select pg_notify('one_channel', 'late')`);
    await eventually(() => received[0] === 'late', { description: 'the notification' });
  });
});
