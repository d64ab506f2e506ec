import { expect } from 'chai';
import { preferred } from '../src/http/accept.ts';

describe('preferred', () => {
  const offered = ['application/json', 'text/event-stream'];
  const cases: [string | undefined, string | undefined][] = [
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['text/event-stream', 'text/event-stream'],
    ['TEXT/Event-Stream', 'text/event-stream'],
    ['text/*', 'text/event-stream'],
    ['application/json, text/event-stream', 'application/json'],
    ['application/json;q=0.5, text/event-stream', 'text/event-stream'],
    ['text/event-stream;q=0.2, */*;q=0.1', 'text/event-stream'],
    ['*/*, application/json;q=0', 'text/event-stream'],
    ['text/html', undefined],
    ['application/json;q=0', undefined],
    ['application/json;q=2', undefined],
    ['application/json;q=x', undefined],
    ['application/jsonx', undefined],
    [`${'text/html,'.repeat(40)}application/json`, undefined],
  ];
  for (const [accept, expected] of cases) {
    it(`takes ${expected ?? 'nothing'} for ${accept?.slice(0, 50) ?? 'no header'}`, () => {
      expect(preferred(accept, offered)).to.equal(expected);
    });
  }
});
