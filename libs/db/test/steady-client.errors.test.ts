import { expect } from 'chai';
import { SteadyClient } from '../src/steady-client.ts';

describe('steady client', () => {
  it('does not throw an error that nobody listens to, and tells those that do', () => {
    const client = new SteadyClient();
    const error = new Error('terminating connection due to administrator command');
    expect(client.emit('error', error)).to.equal(false);
    const heard: unknown[] = [];
    client.on('error', (each) => heard.push(each));
    expect(client.emit('error', error)).to.equal(true);
    expect(heard).to.deep.equal([error]);
  });
});
