import { AppError } from '@wardstone/rpc';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/**
 * Parses a JSON body. Bytes that are not UTF-8 are refused, not replaced: a name with a hole in it must not be stored.
 * `undefined` for an empty body. Thrown: MALFORMED_JSON.
 */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.byteLength === 0) return undefined;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (cause) {
    throw new AppError('MALFORMED_JSON', { cause, message: 'The body is not valid UTF-8.' });
  }
  try {
    // `__proto__` becomes an own property here, and the strict schemas refuse it as an unknown field.
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message quotes the body.
    throw new AppError('MALFORMED_JSON');
  }
}

/** Whether a Content-Type names JSON in UTF-8. */
export function isJson(contentType: string | undefined): boolean {
  const [mediaType = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  return mediaType === 'application/json' && (charset === undefined || /^"?utf-?8"?$/.test(charset));
}

/** Whether a Content-Type names a multipart form with a boundary. */
export function isMultipart(contentType: string | undefined): boolean {
  const [mediaType = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim());
  return mediaType.toLowerCase() === 'multipart/form-data' && parameters.some((part) => /^boundary=.+/i.test(part));
}
