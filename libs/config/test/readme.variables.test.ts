import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { z } from 'zod';
import { embeddedFields, objectStoreFields, serviceFields, slotFields } from '../src/index.ts';

/** What the README says of a variable that has to be given, or that need not. */
function documentedDefault(field: z.ZodType): string {
  const { success, data } = field.safeParse(undefined);
  if (!success) return 'required';
  if (data === undefined) return 'not set';
  if (Array.isArray(data) && data.length === 0) return 'none';
  if (typeof data === 'boolean') return data ? 'on' : 'off';
  return `\`${JSON.stringify(data).replaceAll('"', '')}\``;
}

describe('the README of libs/config', () => {
  it('lists every common variable with its default, and no other', async () => {
    const readme = await readFile(path.join(import.meta.dirname, '../README.md'), 'utf8');
    const listed = [...readme.matchAll(/^\| `([A-Z0-9_]+)` +\| (.+?) +\|/gm)].map(([, name, value]) => [name, value]);
    const fields = { ...serviceFields, ...slotFields, ...embeddedFields, ...objectStoreFields };
    expect(listed).to.deep.equal(Object.entries(fields).map(([name, field]) => [name, documentedDefault(field)]));
  });
});
