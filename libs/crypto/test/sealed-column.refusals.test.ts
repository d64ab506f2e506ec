import { expect } from 'chai';
import { AppError } from '@wardstone/rpc';
import { open, seal, sealedColumn, type SealContext } from '../src/index.ts';
import { fixedRing, rejection, tenantA } from './support.ts';

const { ring } = fixedRing();
const context: SealContext = { tenantId: tenantA, resource: '01890000-0000-7000-8000-000000000001', field: 'title' };
const column = sealedColumn({ name: 'title_sealed', field: 'title' });
const { to, from } = column.transformer;

/** What is no title as `seal` makes it. */
async function strangers(): Promise<unknown[]> {
  const sealed = await seal(ring, 'content', context, 'Knee');
  const ofAnotherField = await seal(ring, 'content', { ...context, field: 'file_name' }, 'Knee');
  const [header = '', ...rest] = sealed.split('.');
  const clear = Buffer.from(header, 'base64url').toString();
  const respelled = [Buffer.from(clear.replace('"ctx"', '"zip":"DEF","ctx"')).toString('base64url'), ...rest].join('.');
  return ['Knee', '', '....', ofAnotherField, respelled, sealed.slice(1), `${sealed}A`, 7, Buffer.from(sealed), {}];
}

describe('sealedColumn', () => {
  it('is a text column of its name', () => {
    const { name, type, nullable } = column;
    expect({ name, type, nullable }).to.deep.equal({ name: 'title_sealed', type: 'text', nullable: false });
    expect(sealedColumn({ name: 'n', field: 'f', nullable: true }).nullable).to.equal(true);
  });

  it('lets sealed values of its field through, and what is absent', async () => {
    const sealed = await seal(ring, 'content', context, 'Knee');
    for (const value of [sealed, null, undefined]) expect([to(value), from(value)]).to.deep.equal([value, value]);
  });

  it('refuses to write anything else, without telling what it was', async () => {
    for (const value of await strangers()) {
      const refused = await rejection(Promise.resolve().then(() => to(value)));
      expect(refused).to.be.instanceOf(AppError).with.property('reason', 'INTERNAL');
      expect((refused as AppError).message).to.equal('the column title_sealed takes only what is sealed for it');
    }
  });

  it('reads anything else as what does not open, and never throws: the row is there still', async () => {
    for (const value of await strangers()) {
      const read = from(value);
      expect(read).to.equal('');
      expect(await rejection(open(ring, 'content', context, read ?? 'none'))).to.have.property(
        'reason',
        'SEALED_VALUE_INVALID',
      );
    }
  });
});
