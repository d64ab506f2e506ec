/**
 * What of a text is in clear: sealed values, ids, hashes and signatures are recognised by their exact shape and cut out, so
 * that short words can be looked for in what remains. What has nearly the shape stays, and is searched as it is.
 */
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

/** The protected header that libs/crypto writes: no member more, ids alone, and a field that is a name of ours. */
const sealedHeader = new RegExp(
  `^\\{"alg":"dir","enc":"A256GCM","kid":"(${uuid})/[1-9][0-9]{0,9}",` +
    `"ctx":\\{"tenant":"(${uuid})","resource":"(?:${uuid}(?:/[1-9][0-9]{0,9})?|[0-9a-f]{64})","field":"([a-z][a-z_.-]{1,40})"\\}\\}$`,
);

interface Shape {
  readonly pattern: RegExp;
  /** What is put in its place: what it holds in clear. */
  readonly clear: (match: string, group: string) => string;
}

const nothing = (): string => ' ';

const shapes: readonly Shape[] = [
  // JWE compact, `dir` and A256GCM: no encrypted key, 12 bytes of IV, 16 of tag.
  {
    pattern: /(?<![\w-])(eyJ[\w-]+)\.\.[\w-]{16}\.[\w-]*\.[\w-]{22}(?![\w-])/g,
    clear: (whole, header) => sealedValueClear(whole, header),
  },
  // JWS compact signed with Ed25519: a job, an outcome. Header and payload are in clear in all but spelling.
  {
    pattern: /(?<![\w-])(eyJ[\w-]+\.eyJ[\w-]+)\.[\w-]{86}(?![\w-])/g,
    clear: (_whole, signed) => ` ${signed.split('.').map(fromBase64).join(' ')} `,
  },
  // The verifier of a role's password (RFC 5803 as Postgres writes it).
  {
    pattern: /SCRAM-SHA-256\$\d+:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=/g,
    clear: nothing,
  },
  { pattern: new RegExp(`(?<![0-9A-Za-z])${uuid}(?![0-9A-Za-z])`, 'g'), clear: nothing },
  // A bytea: its bytes are searched when they are text.
  { pattern: /\\+x((?:[0-9a-f]{2})+)(?![0-9A-Za-z])/g, clear: (_whole, digits) => textOf(Buffer.from(digits, 'hex')) },
  // Span ids, trace ids, SHA-1 and SHA-256.
  {
    pattern: /(?<![0-9A-Za-z])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{16})(?![0-9A-Za-z])/g,
    clear: nothing,
  },
  // Places in the write-ahead log.
  { pattern: /(?<![0-9A-Za-z])[0-9A-F]{1,8}\/[0-9A-F]{1,8}(?![0-9A-Za-z])/g, clear: nothing },
  // What is in base64 and text all the same. Twelve random bytes are printable with odds of 1e-5.
  { pattern: /(?<![\w+/-])[\w+/-]{16,}={0,2}/g, clear: (whole) => `${whole} ${printable(fromBase64(whole))}` },
];

/** A text without its sealed values, ids and hashes; escapes are undone, so that `\npatient` holds the word "patient". */
export function clearTextOf(text: string): string {
  let clear = text
    .replace(/\\+u([0-9A-Fa-f]{4})/g, (_whole, digits: string) => String.fromCharCode(parseInt(digits, 16)))
    .replace(/\\+[nrtbf]/g, ' ')
    .replace(/%[0-9A-F]{2}/g, ' ');
  for (const shape of shapes)
    clear = clear.replace(shape.pattern, (whole: string, group: string) => shape.clear(whole, group));
  return clear;
}

/** Headers of sealed values whose text is not exactly what sealing writes for ids and a field of ours. */
export function foreignHeaders(text: string): string[] {
  const found = [...text.matchAll(/(?<![\w-])(eyJ[\w-]+)\.\.[\w-]*\.[\w-]*\.[\w-]*/g)];
  return found.map(([, header = '']) => fromBase64(header)).filter((header) => !isOurs(header));
}

function isOurs(header: string): boolean {
  const [, keyTenant, tenant] = sealedHeader.exec(header) ?? [];
  return tenant !== undefined && keyTenant === tenant;
}

function sealedValueClear(whole: string, header: string): string {
  const text = fromBase64(header);
  return isOurs(text) ? ` ${sealedHeader.exec(text)?.[3] ?? ''} ` : `${whole} ${text}`;
}

const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString('latin1');

function printable(text: string): string {
  return /^[\t\n\r\x20-\x7e]{12,}$/.test(text) ? text : '';
}

/** Bytes as text when they are UTF-8 without control characters; otherwise nothing: they are keys, seals or hashes. */
export function textOf(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return /[^\P{Cc}\t\n\r]/u.test(text) ? ' ' : ` ${text} `;
  } catch {
    // Not UTF-8, and so no text.
    return ' ';
  }
}
