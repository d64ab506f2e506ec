import type { AnswerSource, ConversationTurn } from '../ports.ts';
import { placeOf } from './places.ts';

/** A version of a prompt: what stands in its files. */
export interface PromptTemplate {
  /** Sent with every answer; a text that changes is a version of its own. */
  readonly version: string;
  /** The system prompt. Nothing of a question or a document is ever put into it. */
  readonly system: string;
  /** The user's message, with places for data: `{{sources}}`, `{{history}}`, `{{question}}`, `{{language}}`. */
  readonly user: string;
}

/** What is put into a user's message. */
export interface PromptData {
  readonly question: string;
  readonly history: readonly ConversationTurn[];
  readonly sources: readonly AnswerSource[];
  /** BCP 47. */
  readonly language?: string | undefined;
}

/** A stretch of a user's message, and what it is: guardrails look at each kind differently. */
export interface PromptPart {
  readonly kind: 'template' | 'sources' | 'history' | 'question';
  readonly text: string;
}

/** The system prompt with the code that belongs in no answer. */
export function renderSystem(template: Pick<PromptTemplate, 'system'>, canary: string): string {
  return template.system.replaceAll('{{canary}}', () => canary);
}

/**
 * The user's message. All data stands between markers with a code that no text of the data holds, so that none can end its own
 * frame; the template is cut at its places once, so that a place's name in the data is only words.
 */
export function renderUser(template: Pick<PromptTemplate, 'user'>, data: PromptData, code: string): PromptPart[] {
  const rendered: Record<string, PromptPart> = {
    sources: { kind: 'sources', text: data.sources.map((source) => frameSource(source, code)).join('\n') },
    history: { kind: data.history.length > 0 ? 'history' : 'template', text: frameHistory(data.history, code) },
    question: { kind: 'question', text: frame('question', code, {}, data.question) },
    language: { kind: 'template', text: languageSentence(data.language) },
  };
  return template.user
    .split(/\{\{(\w+)\}\}/u)
    .map((piece, index): PromptPart => {
      if (index % 2 === 0) return { kind: 'template', text: piece };
      return rendered[piece] ?? { kind: 'template', text: '' };
    })
    .filter(({ text }) => text !== '');
}

/**
 * A code for the markers that occurs in none of the data.
 * Thrown: Error when none was found, which with random codes does not happen.
 */
export function markerCode({ question, history, sources }: PromptData, draw: () => string): string {
  const texts = [question, ...history.flatMap((turn) => [turn.question, turn.answer])];
  texts.push(...sources.flatMap(({ title, text }) => [title, text]));
  for (let drawn = 0; drawn < maxDraws; drawn += 1) {
    const code = draw();
    if (texts.every((text) => !text.includes(code))) return code;
  }
  throw new Error('no marker code was found that the data does not hold');
}

const maxDraws = 8;
const maxTitleChars = 200;
const languageTag = /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}$/u;

function frameSource(source: AnswerSource, code: string): string {
  const { pageStart, pageEnd } = placeOf(source, 0, source.text.length);
  const pages = pageStart === pageEnd ? String(pageStart) : `${String(pageStart)}-${String(pageEnd)}`;
  // A title is data like the text: as a string of JSON it stays within its quotation marks.
  const title = JSON.stringify(source.title.slice(0, maxTitleChars));
  return frame('excerpt', code, { number: String(source.number), pages, title }, source.text);
}

function frameHistory(history: readonly ConversationTurn[], code: string): string {
  if (history.length === 0) return frame('conversation', code, {}, '(none)');
  return history
    .flatMap(({ question, answer }) => [
      frame('asked', code, {}, question),
      ...(answer === '' ? [] : [frame('answered', code, {}, answer)]),
    ])
    .join('\n');
}

function frame(name: string, code: string, attributes: Readonly<Record<string, string>>, text: string): string {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}=${value}`);
  return `<${name}-${code}${words.join('')}>\n${text}\n</${name}-${code}>`;
}

/** Only a tag of a language is let in: it is the one thing of a request that stands outside of the markers. */
function languageSentence(language: string | undefined): string {
  return language !== undefined && languageTag.test(language) ? ` Write statements in the language ${language}.` : '';
}
