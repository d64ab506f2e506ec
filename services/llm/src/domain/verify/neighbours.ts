/**
 * What stands between which words. Where a statement follows its source word for word, a number, a negation or a word with an
 * opposite that was exchanged shows there, and nowhere else when both values occur in the sentence: "500 mg of A and 10 mg of B".
 */
import { isStopWord, stemOf } from '../terms.ts';
import { plainDigits } from '../words.ts';
import { cueAt, isCueWord, tokensOf } from './cues.ts';
import { meaningsOf } from './opposites.ts';

/** By kind and the words on both sides: what stands there. */
type Neighbours = ReadonlyMap<string, ReadonlySet<string>>;

/** Which exchanges two texts show. */
export interface Exchanges {
  readonly number: boolean;
  readonly negation: boolean;
}

interface Item {
  readonly kind: 'word' | 'number';
  readonly text: string;
  /** Whether a cue stands before it, after the item before. */
  readonly isDenied: boolean;
}

/** Whether two texts have something else between the same words. */
export function findExchanges(statement: string, cited: string): Exchanges {
  const [said, told] = [itemsOf(statement), itemsOf(cited)];
  return {
    number: differs(numbersBetween(said), numbersBetween(told)),
    negation:
      differs(negationsBetween(said), negationsBetween(told)) || differs(meaningsBetween(said), meaningsBetween(told)),
  };
}

function differs(said: Neighbours, told: Neighbours): boolean {
  for (const [place, values] of said) {
    const others = told.get(place);
    if (others && [...values].every((value) => !others.has(value))) return true;
  }
  return false;
}

function numbersBetween(items: readonly Item[]): Neighbours {
  return between(items, ({ kind, text }) => (kind === 'number' ? [['', text]] : []));
}

function meaningsBetween(items: readonly Item[]): Neighbours {
  return between(items, ({ kind, text }) =>
    kind === 'word' ? meaningsOf(text).map(({ group, meaning }) => [String(group), String(meaning)] as const) : [],
  );
}

/** What stands between an item's neighbours, when it has both. */
function between(items: readonly Item[], read: (item: Item) => readonly (readonly [string, string])[]): Neighbours {
  const found = new Map<string, Set<string>>();
  for (const [at, item] of items.entries()) {
    const [before, after] = [items[at - 1], items[at + 1]];
    if (!before || !after) continue;
    for (const [kind, value] of read(item)) put(found, `${kind} ${nameOf(before)} ${nameOf(after)}`, value);
  }
  return found;
}

function negationsBetween(items: readonly Item[]): Neighbours {
  const found = new Map<string, Set<string>>();
  for (const [at, item] of items.entries()) {
    const before = items[at - 1];
    if (before) put(found, `${nameOf(before)} ${nameOf(item)}`, String(item.isDenied));
  }
  return found;
}

function put(map: Map<string, Set<string>>, key: string, value: string): void {
  map.set(key, (map.get(key) ?? new Set<string>()).add(value));
}

/** Numbers are alike as neighbours: of two that changed places each still has a number beside it. */
function nameOf({ kind, text }: Item): string {
  return kind === 'number' ? '#' : text;
}

function itemsOf(text: string): Item[] {
  // Decimals and groups of digits stay one number.
  const tokens = tokensOf(plainDigits(text).replaceAll(/(?<=\d)[.,](?=\d)/gu, '_'));
  const items: Item[] = [];
  let isDenied = false;
  for (let at = 0; at < tokens.length; at += 1) {
    const { text: word = '', isWord = false } = tokens[at] ?? {};
    const cue = cueAt(tokens, at);
    if (typeof cue !== 'number') isDenied = true;
    if (!isWord || isStopWord(word) || isCueWord(word)) continue;
    const kind = /^[\d_]+$/u.test(word) ? 'number' : 'word';
    items.push({ kind, text: kind === 'number' ? word : stemOf(word), isDenied });
    isDenied = false;
  }
  return items;
}
