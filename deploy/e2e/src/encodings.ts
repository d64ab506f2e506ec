/** Fewer characters than this hold no word that leaks are recognised by (seven letters). */
const minBase64 = 10;
const minHex = 14;
const minWideCharacters = 7;

const base64Run = new RegExp(`[A-Za-z0-9+/_-]{${minBase64},}`, 'g');
const hexRun = new RegExp(`[0-9A-Fa-f]{${minHex},}`, 'g');
/** In bytes read as Latin-1: printable ASCII characters with a zero byte behind (LE) or before (BE) each. */
const wideRun = new RegExp(
  `(?:[\\x20-\\x7e]\\0){${minWideCharacters},}|(?:\\0[\\x20-\\x7e]){${minWideCharacters},}`,
  'g',
);

/**
 * What a text (bytes read as Latin-1) says in other words: its runs of base64 and base64url at each of the four places at
 * which a group may begin, of hexadecimal digits at both, and of UTF-16, decoded as Latin-1. Runs that are nothing of the
 * kind decode to noise, which the length of the words looked for makes harmless.
 */
function decodedReadings(text: string): string {
  const readings: string[] = [];
  for (const [run] of text.matchAll(base64Run)) {
    for (let start = 0; start < 4; start++) readings.push(Buffer.from(run.slice(start), 'base64').toString('latin1'));
  }
  for (const [run] of text.matchAll(hexRun)) {
    for (let start = 0; start < 2; start++) readings.push(Buffer.from(run.slice(start), 'hex').toString('latin1'));
  }
  for (const [run] of text.matchAll(wideRun)) readings.push(run.replaceAll('\0', ''));
  return readings.join('\n');
}

/** A bytea column, which a dump shows in hexadecimal, may hold base64 of UTF-16. */
const maxLayers = 3;

/** A text with its decoded readings, and the readings of those, as deep as encodings are plausibly nested. */
export function withDecodedReadings(text: string): string {
  const layers = [text];
  for (let depth = 0; depth < maxLayers; depth++) layers.push(decodedReadings(layers.at(-1) ?? ''));
  return layers.join('\n');
}
