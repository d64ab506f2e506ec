/** What the row `answers` is answered from, and the answers that the double of Bedrock writes: the same in every run. */
import type { ConverseEvent } from '@wardstone/testing/bedrock';
import { inventedText } from '../material.ts';

const sourceCount = 8;
const charsOfSource = 1_000;
const firstSeed = 7_000_000;

/** Texts of the chunks that a search finds. */
export function sourceTexts(): string[] {
  return Array.from({ length: sourceCount }, (_, index) => inventedText(firstSeed + index, charsOfSource));
}

/** How long an answer is. The double reads it in the question. */
export const answerLengths = { short: { word: 'briefly', lines: 1 }, long: { word: 'thoroughly', lines: 42 } } as const;
export type AnswerLength = keyof typeof answerLengths;

export function questionFor(length: AnswerLength): string {
  return `What do the notes say? Answer ${answerLengths[length].word}.`;
}

/** The answer to a prompt that holds the question: lines as the model is told to write them, each a sentence that quotes itself. */
export function answerTo(prompt: string): string {
  const { lines } = prompt.includes(questionFor('long')) ? answerLengths.long : answerLengths.short;
  const sentences = sourceTexts().flatMap((text, index) =>
    (text.match(/[^.]+\./g) ?? []).map((sentence) => ({ n: index + 1, sentence: sentence.trim() })),
  );
  return sentences
    .slice(0, lines)
    .map(({ n, sentence }) => `${JSON.stringify({ s: sentence, q: [{ n, q: sentence }] })}\n`)
    .join('');
}

/** As long as a token, by the double's count. */
const charsOfDelta = 4;

/** An answer as events of ConverseStream, a delta for each token. */
export function answerEvents(text: string): ConverseEvent[] {
  const deltas = text.match(new RegExp(`[^]{1,${String(charsOfDelta)}}`, 'gu')) ?? [];
  const usage = { inputTokens: 0, outputTokens: deltas.length, totalTokens: deltas.length };
  return [
    { messageStart: { role: 'assistant' } },
    ...deltas.map((piece) => ({ contentBlockDelta: { contentBlockIndex: 0, delta: { text: piece } } })),
    { contentBlockStop: { contentBlockIndex: 0 } },
    { messageStop: { stopReason: 'end_turn' } },
    { metadata: { usage, metrics: { latencyMs: 1 } } },
  ];
}
