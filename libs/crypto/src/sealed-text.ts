/**
 * What a sealed value looks like from outside, without any key: its shape, its header, the version of its key. Nothing
 * here is authenticated; only opening a value proves anything about it.
 */
import { AppError } from '@wardstone/rpc';

/** Where a sealed value belongs. All three are compared exactly when it is opened. */
export interface SealContext {
  readonly tenantId: string;
  /** Id of the row, for example of a document or chunk. */
  readonly resource: string;
  /** Name of the column or of the artefact. */
  readonly field: string;
}

declare const sealedBrand: unique symbol;
/** A value that `seal` made, or that has its shape: a type of its own, so that no clear text is taken for one. */
export type SealedText = string & { readonly [sealedBrand]: true };

/** Longest text or bytes that one value may have; longer things go through `sealStream`. */
export const maxClearBytes = 16 * 1024 * 1024;
const maxSealedChars = Math.ceil((maxClearBytes * 4) / 3) + 4096;
const kidPattern = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([1-9][0-9]{0,9})$/;

/** The protected header; members in this order, no others. */
export interface SealedHeader {
  readonly alg: 'dir';
  readonly enc: 'A256GCM';
  readonly kid: string;
  readonly ctx: { readonly tenant: string; readonly resource: string; readonly field: string };
}

/** The one header that a context and a version have. */
export function headerOf({ tenantId, resource, field }: SealContext, version: number): SealedHeader {
  return {
    alg: 'dir',
    enc: 'A256GCM',
    kid: `${tenantId}/${String(version)}`,
    ctx: { tenant: tenantId, resource, field },
  };
}

/**
 * The context and key version that a sealed value names. Its whole shape is checked, and its header is built anew and
 * compared as text, so that no second spelling of it (order, escapes, further members such as `zip`) is accepted; nor are
 * unused bits of base64url, which decoders ignore. Thrown: SEALED_VALUE_INVALID.
 */
export function readSealed(sealed: string): SealContext & { readonly version: number } {
  const parts = sealed.length > maxSealedChars ? [] : sealed.split('.', 6);
  const [header, encryptedKey, iv, ciphertext, tag] = parts;
  const shaped = parts.length === 5 && header !== undefined && encryptedKey === '';
  if (!shaped || !isCanonical(iv, 12) || !isCanonical(ciphertext) || !isCanonical(tag, 16)) throw invalid();
  const found = parseHeader(header);
  if (header !== encodeHeader(headerOf(found, found.version))) throw invalid();
  return found;
}

/** The key version that a sealed value names, from 1. Thrown: SEALED_VALUE_INVALID when it is no value that `seal` makes. */
export function keyVersionOfSealed(sealed: string): number {
  return readSealed(sealed).version;
}

/** What is wrong with a value is not told. */
export function invalid(cause?: unknown): AppError {
  return new AppError('SEALED_VALUE_INVALID', cause === undefined ? {} : { cause });
}

function parseHeader(header: string): SealContext & { readonly version: number } {
  const parsed = parseJson(Buffer.from(header, 'base64url').toString('utf8'));
  const { kid, ctx } = isRecord(parsed) ? parsed : {};
  const [, tenantId, version] = kidPattern.exec(String(kid)) ?? [];
  const { resource, field } = isRecord(ctx) ? ctx : {};
  if (tenantId === undefined || typeof resource !== 'string' || typeof field !== 'string') throw invalid();
  return { tenantId, resource, field, version: Number(version) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(cause);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function encodeHeader(header: SealedHeader): string {
  return Buffer.from(JSON.stringify(header)).toString('base64url');
}

function isCanonical(part: string | undefined, bytes?: number): boolean {
  if (part === undefined) return false;
  const decoded = Buffer.from(part, 'base64url');
  return decoded.toString('base64url') === part && (bytes === undefined || decoded.byteLength === bytes);
}
