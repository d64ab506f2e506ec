import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { AppError, type PageTokenShape, decodePageToken, encodePageToken, pageTokensOf } from '../src/index.ts';

type Position = Readonly<{ createdAt: number; id: string }>;

const shape: PageTokenShape<Position> = {
  safeParse(value) {
    const { createdAt, id, ...rest } = { ...(value as Record<string, unknown>) };
    return typeof createdAt === 'number' && typeof id === 'string' && Object.keys(rest).length === 0
      ? { success: true, data: { createdAt, id } }
      : { success: false };
  },
};

const refused = (token: string, key?: Uint8Array) =>
  expect(() => decodePageToken(token, shape, key), token)
    .throws(AppError)
    .with.property('reason', 'PAGE_TOKEN_INVALID');

describe('page tokens', () => {
  const position = { createdAt: 17, id: 'a' };

  it('come back as they went', () => {
    expect(decodePageToken(encodePageToken(position), shape)).deep.equal(position);
  });

  it('fit a URL without escaping', () => {
    expect(encodePageToken({ ...position, id: '\u{1f600}???>>>' })).match(/^[\w-]+$/);
  });

  it('that were made up are refused', () => {
    const of = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const token of ['', 'x', '!!!!', '=', of(null), of([]), of({ ...position }), of({ ...position, v: 2 })])
      refused(token);
    refused(of({ ...position, v: 1, more: 1 }));
    refused(of({ createdAt: '17', id: 'a', v: 1 }));
    refused(`${encodePageToken(position)}=`);
    refused(`${encodePageToken(position)} `);
    refused('A'.repeat(2_000));
  });

  it('of a list fit that list only; without one it begins', () => {
    const [mine, theirs] = ['tenant-a', 'tenant-b'].map((list) => pageTokensOf(list, shape));
    const token = mine?.encode(position) ?? '';
    expect(mine?.decode(token)).to.deep.equal(position);
    expect(mine?.decode('')).to.equal(undefined);
    const made = [theirs?.encode(position) ?? '', encodePageToken(position), encodePageToken({ list: 'tenant-a' })];
    for (const other of [...made, 'x', `${token}=`]) {
      expect(() => mine?.decode(other), other)
        .throws(AppError)
        .with.property('reason', 'PAGE_TOKEN_INVALID');
    }
  });

  it('with a key cannot be changed, nor read with another key', () => {
    const key = randomBytes(32);
    const token = encodePageToken(position, key);
    expect(decodePageToken(token, shape, key)).deep.equal(position);
    const bytes = Buffer.from(token, 'base64url');
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      refused(changed.toString('base64url'), key);
    }
    refused(token, randomBytes(32));
    refused(encodePageToken(position), key);
  });
});
