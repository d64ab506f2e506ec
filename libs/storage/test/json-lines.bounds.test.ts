import { expect } from 'chai';
import { maxJsonLineBytes, parseJsonLines, toJsonLines } from '../src/index.ts';
import { bytesOf, pieces, reasonOf } from './object-store.contract.ts';

async function parsed(...chunks: (string | Uint8Array)[]): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of parseJsonLines(pieces(...chunks))) values.push(value);
  return values;
}

describe('JSON lines', () => {
  it('give values back however the bytes are cut, inside a character too', async () => {
    const values = [{ text: 'Übelkeit 🩺\n' }, [], 1, null, { nested: { a: [1, 2] } }];
    const bytes = await bytesOf(toJsonLines(values));
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const cut = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect(await parsed(...cut)).to.deep.equal(values);
    }
    expect(await parsed()).to.deep.equal([]);
  });

  it('take a string for a line of JSON that is made already', async () => {
    expect((await bytesOf(toJsonLines(['{"a":1}', { b: 2 }]))).toString()).to.equal('{"a":1}\n{"b":2}\n');
  });

  it('refuse to write what is not one line of JSON', async () => {
    for (const value of [undefined, () => 1, '', 'a\nb', 'x'.repeat(maxJsonLineBytes + 1)]) {
      expect(await reasonOf(bytesOf(toJsonLines([value])))).to.equal('INTERNAL');
    }
    const longest = `"${'x'.repeat(maxJsonLineBytes - 2)}"`;
    expect((await bytesOf(toJsonLines([longest]))).length).to.equal(maxJsonLineBytes + 1);
    expect(await parsed(longest, '\n')).to.have.length(1);
  });

  it('refuse a cut last line, bad JSON, bad UTF-8 and a line that is too long, and quote none of it', async () => {
    const bad = [
      ['{"secret":1}'],
      ['{"secret\n'],
      ['\n'],
      [Buffer.from([0x22, 0xff, 0x22, 0x0a])],
      ['"', 'x'.repeat(maxJsonLineBytes), '"\n'],
      Array<string>(5).fill('x'.repeat(maxJsonLineBytes / 4)),
    ];
    for (const chunks of bad) {
      expect(await reasonOf(parsed(...chunks))).to.equal('INTERNAL');
      const message = await parsed(...chunks).catch((error: unknown) => String(error));
      expect(message).not.to.include('secret');
    }
  });
});
