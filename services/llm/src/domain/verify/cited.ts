import type { Stretch } from '../sentences.ts';
import type { FoundQuote, ReadSource } from './quotes.ts';

/** What the quotes of a statement cite. */
export interface Cited {
  /** The sentences that the quotes stand in, whole: a quote does not get rid of the "no" before it. */
  readonly text: string;
  /** The titles, and the sentences around. */
  readonly nearby: string;
  /** Names with numbers in them (IL-6) of the cited chunks. */
  readonly names: ReadonlySet<string>;
  /** Stems of all words of the cited chunks. */
  readonly words: ReadonlySet<string>;
}

/** Reads what quotes cite. However many stand in a sentence, it is read once: what is read does not grow with the quotes. */
export function citedBy(quotes: readonly FoundQuote[], reads: readonly ReadSource[]): Cited {
  const text = new Map<string, string>();
  const nearby = new Map<string, string>();
  for (const quote of quotes) {
    const { source } = quote;
    const number = reads.findIndex((read) => read.source === source);
    const put = (kept: Map<string, string>, { start, end }: Stretch): void =>
      void kept.set(`${String(number)} ${String(start)} ${String(end)}`, source.text.slice(start, end));
    const sentences = reads[number]?.sentences() ?? [];
    const { start, end } = stretchOf(quote, reads);
    put(text, { start, end });
    const [before, after] = [sentences.findLast((s) => s.end <= start), sentences.find((s) => s.start >= end)];
    for (const around of [before, after]) if (around) put(nearby, around);
    nearby.set(`${String(number)} title`, source.title);
  }
  const cited = reads.filter((read) => quotes.some(({ source }) => source === read.source));
  return {
    text: [...text.values()].join('\n'),
    nearby: [...nearby.values()].join('\n'),
    names: new Set(cited.flatMap((read) => [...read.names()])),
    words: new Set(cited.flatMap((read) => [...read.words()])),
  };
}

/** Where the sentences that a quote stands in begin and end. */
export function stretchOf(quote: FoundQuote, reads: readonly ReadSource[]): Stretch {
  const sentences = reads.find(({ source }) => source === quote.source)?.sentences() ?? [];
  const touched = sentences.filter(({ start, end }) => start < quote.end && quote.start < end);
  return {
    start: Math.min(quote.start, ...touched.map(({ start }) => start)),
    end: Math.max(quote.end, ...touched.map(({ end }) => end)),
  };
}
