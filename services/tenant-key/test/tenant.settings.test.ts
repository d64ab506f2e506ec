import { AppError } from '@wardstone/rpc';
import { expect } from 'chai';
import { checkedDisplayName, chosenTenantId, effectiveSettings } from '../src/domain/tenant.ts';

function fieldOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError && error.reason === 'INVALID_ARGUMENT') return error.violations[0]?.field;
    throw error;
  }
  return undefined;
}

describe('tenant settings', () => {
  it('fill in what is left out', () => {
    const defaults = { chunkSizeChars: 1000, chunkOverlapChars: 150, deletionWindowDays: 30 };
    expect(effectiveSettings()).to.deep.equal(defaults);
    expect(effectiveSettings({ chunkSizeChars: 0 })).to.deep.equal(defaults);
    expect(effectiveSettings({ chunkOverlapChars: 0 })).to.deep.equal({ ...defaults, chunkOverlapChars: 0 });
    const half = { chunkSizeChars: 200, chunkOverlapChars: 100 };
    expect(effectiveSettings({ chunkSizeChars: 200 })).to.deep.equal({ ...defaults, ...half });
  });

  it('take a deletion window that KMS allows, and no other', () => {
    for (const deletionWindowDays of [7, 30]) {
      expect(effectiveSettings({ deletionWindowDays }).deletionWindowDays).to.equal(deletionWindowDays);
    }
    for (const deletionWindowDays of [1, 6, 31, -7]) {
      expect(fieldOf(() => effectiveSettings({ deletionWindowDays }))).to.equal('settings.deletion_window_days');
    }
  });

  it('take an overlap of half the size and no more', () => {
    expect(effectiveSettings({ chunkSizeChars: 501, chunkOverlapChars: 250 }).chunkOverlapChars).to.equal(250);
    const tooMuch = { chunkSizeChars: 501, chunkOverlapChars: 251 };
    expect(fieldOf(() => effectiveSettings(tooMuch))).to.equal('settings.chunk_overlap_chars');
    expect(fieldOf(() => effectiveSettings({ chunkOverlapChars: -1 }))).to.equal('settings.chunk_overlap_chars');
  });

  it('take no chunk that is too small to hold a sentence', () => {
    expect(effectiveSettings({ chunkSizeChars: 100 }).chunkSizeChars).to.equal(100);
    expect(fieldOf(() => effectiveSettings({ chunkSizeChars: 99 }))).to.equal('settings.chunk_size_chars');
  });
});

describe('tenant ids and names', () => {
  it('take a UUID of version 7 or 8, in lower case afterwards', () => {
    const id = '01890000-0000-7000-8000-00000000000A';
    expect(chosenTenantId(id)).to.equal(id.toLowerCase());
    expect(chosenTenantId(id.replace('-7', '-8'))).to.equal(id.replace('-7', '-8').toLowerCase());
    for (const wrong of ['6ba7b810-9dad-41d1-80b4-00c04fd430c8', '01890000-0000-7000-0000-00000000000a', 'x']) {
      expect(
        fieldOf(() => chosenTenantId(wrong)),
        wrong,
      ).to.equal('tenant_id');
    }
  });

  it('take a name without blanks around it', () => {
    expect(checkedDisplayName('  Klinik Süd ')).to.equal('Klinik Süd');
    for (const wrong of ['   ', 'a\nb', 'a\0']) {
      expect(fieldOf(() => checkedDisplayName(wrong))).to.equal('display_name');
    }
  });
});
