/**
 * Makes the known-answer vectors of test/vectors once. They are frozen: when a test on them fails, the format has changed,
 * and what is stored no longer opens. Run only for a new format, and then into new files.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { derivePurposeKey, keyPurposes, seal, sealStream } from '../src/index.ts';
import { dataKeyOf, fixedRing, tenantA, tenantB } from '../test/support.ts';

const dir = join(import.meta.dirname, '../test/vectors');

const derive = [1, 2].flatMap((version) =>
  keyPurposes.map((purpose) => {
    const dataKey = dataKeyOf(tenantA, version);
    const key = derivePurposeKey(dataKey, tenantA, purpose, version);
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    return { dataKey: hex(dataKey), tenantId: tenantA, purpose, version, key: hex(key) };
  }),
);

const values = [
  { name: 'empty', tenantId: tenantA, current: 1, plaintext: '' },
  { name: 'text', tenantId: tenantA, current: 1, plaintext: 'The patient was given 500 mg.' },
  { name: 'unicode, second version', tenantId: tenantB, current: 2, plaintext: 'Übelkeit 二型 🩺' },
];
const place = { resource: '01890000-0000-7000-8000-000000000001', field: 'text' };
const sealed = await Promise.all(
  values.map(async (value) => {
    const { ring } = fixedRing({ current: value.current });
    const context = { tenantId: value.tenantId, ...place };
    return { ...value, ...place, sealed: await seal(ring, 'content', context, value.plaintext) };
  }),
);

const streamContext = { tenantId: tenantA, resource: '01890000-0000-7000-8000-000000000001/1', field: 'original' };
const sealer = await sealStream(fixedRing().ring, streamContext);
const plaintext = 'A stream of one short frame.';
sealer.end(plaintext);
const chunks: Buffer[] = [];
for await (const chunk of sealer) chunks.push(chunk as Buffer);
const stream = [{ ...streamContext, plaintext, sealed: Buffer.concat(chunks).toString('base64') }];

await mkdir(dir, { recursive: true });
for (const [name, content] of Object.entries({ derive, seal: sealed, stream })) {
  await writeFile(join(dir, `${name}.json`), `${JSON.stringify(content, null, 2)}\n`, { flag: 'wx' });
}
