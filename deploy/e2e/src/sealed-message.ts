/** What a sealed object says in clear (AWS Encryption SDK message format version 2, the libs/crypto README): ids, and no more. */
const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A document's id and its version. */
const resourcePattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\/[1-9]\d{0,9})?$/;
const fieldPattern = /^[a-z][a-z-]{1,30}$/;
const contextNames = ['field', 'purpose', 'resource', 'tenant', 'version'];
const frameBytes = 256 * 1024;
const ivBytes = 12;
const tagBytes = 16;

/** The encryption context of a sealed object. */
export interface SealedMessage {
  readonly tenant: string;
  readonly resource: string;
  readonly field: string;
  readonly version: string;
}

/**
 * The context of bytes that are one sealed message from the first to the last, whose context holds a tenant, a resource, a
 * field, the purpose and a version alone, and whose key is that tenant's. Undefined for everything else.
 */
export function sealedMessage(bytes: Buffer): SealedMessage | undefined {
  try {
    const reader = new Reader(bytes);
    const context = readHeader(reader);
    readFrames(reader);
    return reader.left === 0 ? context : undefined;
  } catch (error) {
    if (error instanceof NotSealed) return undefined;
    throw error;
  }
}

class NotSealed extends Error {}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  take(length: number): Buffer {
    if (length > this.left) throw new NotSealed('the bytes end early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(length: 1 | 2 | 4): number {
    return this.take(length).readUIntBE(0, length);
  }

  /** Bytes behind their length, as UTF-8. */
  text(): string {
    return this.take(this.number(2)).toString('utf8');
  }
}

function needsThat(condition: boolean): void {
  if (!condition) throw new NotSealed('this is not how we seal');
}

function readHeader(reader: Reader): SealedMessage {
  needsThat(reader.number(1) === 2 && reader.number(2) === 0x0478);
  reader.take(32);
  const contextBytes = reader.number(2);
  const before = reader.left;
  const pairs = Array.from({ length: reader.number(2) }, () => [reader.text(), reader.text()] as const);
  needsThat(before - reader.left === contextBytes);
  const context = Object.fromEntries(pairs);
  const { tenant = '', resource = '', field = '', version = '', purpose } = context;
  needsThat(
    pairs
      .map(([name]) => name)
      .sort()
      .join() === contextNames.join() && purpose === 'objects',
  );
  needsThat(
    idPattern.test(tenant) &&
      resourcePattern.test(resource) &&
      fieldPattern.test(field) &&
      /^[1-9]\d{0,9}$/.test(version),
  );

  needsThat(reader.number(2) === 1 && reader.text() === 'wardstone');
  const keyName = `${tenant}/${version}`;
  needsThat(
    reader.number(2) === keyName.length + 4 + 4 + ivBytes && reader.take(keyName.length).toString('latin1') === keyName,
  );
  needsThat(reader.number(4) === tagBytes * 8 && reader.number(4) === ivBytes);
  reader.take(ivBytes);
  needsThat(reader.number(2) === 32 + tagBytes);
  reader.take(32 + tagBytes);
  needsThat(reader.number(1) === 2 && reader.number(4) === frameBytes);
  reader.take(32 + tagBytes);
  return { tenant, resource, field, version };
}

function readFrames(reader: Reader): void {
  const maxFrames = Math.ceil(reader.left / frameBytes) + 1;
  for (let frame = 1; frame <= maxFrames; frame += 1) {
    const mark = reader.number(4);
    const isLast = mark === 0xffffffff;
    needsThat((isLast ? reader.number(4) : mark) === frame);
    reader.take(ivBytes);
    const length = isLast ? reader.number(4) : frameBytes;
    needsThat(length <= frameBytes);
    reader.take(length + tagBytes);
    if (isLast) return;
  }
  throw new NotSealed('there is no last frame');
}
