/** What Converse and ConverseStream take and give: checks of the request, tokens, the events of an answer. */
import { createHash } from 'node:crypto';
import { invalid } from './errors.ts';
import type { BedrockRequest, ConverseEvent, ConverseHandler, Json, TokenUsage } from './types.ts';
import { countTokens, overlap, wordsOf } from './words.ts';

/** What of an answer may differ. */
export interface TextAnswerOptions {
  readonly stopReason?: string;
  readonly usage?: TokenUsage;
  readonly trace?: Json;
}

const extractedSentences = 3;

/** The events of an answer that is one block of text, a delta for each word. */
export function textAnswer(text: string, options: TextAnswerOptions = {}): ConverseEvent[] {
  const contentBlockIndex = 0;
  const deltas = text.match(/\s*\S+\s*$|\s*\S+/g) ?? [];
  return [
    { messageStart: { role: 'assistant' } },
    ...deltas.map((piece) => ({ contentBlockDelta: { contentBlockIndex, delta: { text: piece } } })),
    { contentBlockStop: { contentBlockIndex } },
    ...ending(options.stopReason ?? 'end_turn', options.usage ?? usageOf(0, text), options.trace),
  ];
}

/** The events of an answer that calls a tool, its input in pieces of JSON. */
export function toolAnswer(name: string, input: Json, options: TextAnswerOptions = {}): ConverseEvent[] {
  const contentBlockIndex = 0;
  const json = JSON.stringify(input);
  const middle = Math.floor(json.length / 2);
  const pieces = [json.slice(0, middle), json.slice(middle)];
  return [
    { messageStart: { role: 'assistant' } },
    { contentBlockStart: { contentBlockIndex, start: { toolUse: { toolUseId: 'tooluse_1', name } } } },
    ...pieces.map((piece) => ({ contentBlockDelta: { contentBlockIndex, delta: { toolUse: { input: piece } } } })),
    { contentBlockStop: { contentBlockIndex } },
    ...ending(options.stopReason ?? 'tool_use', options.usage ?? usageOf(0, json), options.trace),
  ];
}

function ending(stopReason: string, usage: TokenUsage, trace?: Json): ConverseEvent[] {
  const metadata = { usage, metrics: { latencyMs: 1 }, ...(trace === undefined ? {} : { trace }) };
  return [{ messageStop: { stopReason } }, { metadata }];
}

function usageOf(inputTokens: number, answer: string): TokenUsage {
  const outputTokens = countTokens(answer);
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
}

/**
 * The handler unless a test gives one: sentences of the prompt that share most words with its last text, in their order; the
 * last text itself when there is nothing else.
 */
export const extractiveAnswer: ConverseHandler = ({ body }) => {
  const texts = textsOf(body['messages']);
  const question = texts.at(-1) ?? '';
  const asked = new Set(wordsOf(question));
  const sentences = texts.slice(0, -1).flatMap((text) => text.match(/[^.!?\n]+[.!?]?/g) ?? []);
  const scored = sentences.map((text, at) => ({ text: text.trim(), at, score: overlap(asked, text) }));
  const best = scored.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score || a.at - b.at);
  const chosen = best.slice(0, extractedSentences).sort((a, b) => a.at - b.at);
  const answer = chosen.length === 0 ? question : chosen.map(({ text }) => text).join(' ');
  return withinTokens(answer, maxTokensOf(body));
};

function withinTokens(text: string, maxTokens: number): ConverseEvent[] {
  if (countTokens(text) <= maxTokens) return textAnswer(text);
  return textAnswer(text.slice(0, maxTokens * 4), { stopReason: 'max_tokens' });
}

function maxTokensOf(body: Json): number {
  const { maxTokens } = isObject(body['inferenceConfig']) ? body['inferenceConfig'] : {};
  return typeof maxTokens === 'number' ? maxTokens : Infinity;
}

/** Thrown: BedrockRefusal for what Bedrock refuses whatever the model. */
export function checkConverse(body: Json): void {
  const { messages } = body;
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid(
      'A conversation must start with a user message. Try again with a conversation that starts with a user message.',
    );
  }
  let expected = 'user';
  for (const message of messages as unknown[]) {
    const { role, content } = isObject(message) ? message : {};
    if (role !== expected) {
      throw invalid(
        `A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.`,
      );
    }
    if (!Array.isArray(content) || content.length === 0) {
      throw invalid(
        'The content field in the Message object is empty. Add a ContentBlock object to the content field and try again.',
      );
    }
    if (content.some((block) => isObject(block) && block['text'] === '')) {
      throw invalid('The text field in the ContentBlock object is blank. Add text to the text field, and try again.');
    }
    expected = expected === 'user' ? 'assistant' : 'user';
  }
  if (!(maxTokensOf(body) >= 1)) throw invalid('The value at inferenceConfig.maxTokens must be at least 1.');
}

/** Prompts with a cache point: the first call writes what is before it, the next ones read it. */
export interface PromptCache {
  /** Tokens of a request's prompt. */
  count(request: Pick<BedrockRequest, 'model' | 'body'>): PromptTokens;
}

export interface PromptTokens {
  readonly inputTokens: number;
  readonly cacheReadInputTokens: number;
  readonly cacheWriteInputTokens: number;
}

const maxCachedPrompts = 1_000;

export function createPromptCache(): PromptCache {
  const written = new Set<string>();
  return {
    count({ model, body }) {
      const { before, after } = splitAtCachePoint(body);
      const inputTokens = countTokens(after);
      const cached = countTokens(before);
      if (cached === 0) return { inputTokens, cacheReadInputTokens: 0, cacheWriteInputTokens: 0 };
      const key = createHash('sha256').update(`${model}\n${before}`).digest('hex');
      if (written.has(key)) return { inputTokens, cacheReadInputTokens: cached, cacheWriteInputTokens: 0 };
      if (written.size >= maxCachedPrompts) written.clear();
      written.add(key);
      return { inputTokens, cacheReadInputTokens: 0, cacheWriteInputTokens: cached };
    },
  };
}

/** The texts of a prompt up to its last cache point, and those after it. */
function splitAtCachePoint(body: Json): { readonly before: string; readonly after: string } {
  const blocks: unknown[] = [];
  if (Array.isArray(body['system'])) blocks.push(...(body['system'] as unknown[]));
  if (Array.isArray(body['messages'])) {
    for (const message of body['messages'] as unknown[]) {
      if (isObject(message) && Array.isArray(message['content'])) blocks.push(...(message['content'] as unknown[]));
    }
  }
  const cut = blocks.findLastIndex((block) => isObject(block) && isObject(block['cachePoint']));
  const textOf = (some: unknown[]): string => some.flatMap(textOfBlock).join('\n');
  return { before: textOf(blocks.slice(0, Math.max(0, cut))), after: textOf(blocks.slice(cut + 1)) };
}

function textsOf(messages: unknown): string[] {
  if (!Array.isArray(messages)) return [];
  const ofUsers = (messages as unknown[]).filter((message) => isObject(message) && message['role'] === 'user');
  return ofUsers.flatMap((message) => {
    const content = isObject(message) ? message['content'] : undefined;
    return Array.isArray(content) ? (content as unknown[]).flatMap(textOfBlock) : [];
  });
}

/** Every text in a block, however deep: documents and search results hold theirs further down. */
function textOfBlock(block: unknown): string[] {
  if (Array.isArray(block)) return (block as unknown[]).flatMap(textOfBlock);
  if (!isObject(block)) return [];
  return Object.entries(block).flatMap(([name, value]) =>
    name === 'text' && typeof value === 'string' ? [value] : textOfBlock(value),
  );
}

/** The events with the prompt's tokens in their usage, where the handler has left them at 0. */
export function withPromptTokens(event: ConverseEvent, prompt: PromptTokens): ConverseEvent {
  if (!('metadata' in event) || event.metadata.usage.inputTokens !== 0) return event;
  const { outputTokens } = event.metadata.usage;
  const { inputTokens, cacheReadInputTokens, cacheWriteInputTokens } = prompt;
  const totalTokens = inputTokens + cacheReadInputTokens + cacheWriteInputTokens + outputTokens;
  return { metadata: { ...event.metadata, usage: { ...prompt, outputTokens, totalTokens } } };
}

/** Tokens that an event brings. */
export function tokensOf(event: ConverseEvent): number {
  if (!('contentBlockDelta' in event)) return 0;
  const { text, toolUse } = event.contentBlockDelta.delta;
  const input = isObject(toolUse) ? toolUse['input'] : undefined;
  return countTokens(typeof text === 'string' ? text : typeof input === 'string' ? input : '');
}

/** Converse's answer: the same events put together. */
export function messageOf(events: readonly ConverseEvent[]): Json {
  const blocks = new Map<number, Record<string, unknown>>();
  let stopReason = 'end_turn';
  let metadata: Json = {};
  for (const event of events) {
    if ('contentBlockStart' in event) {
      blocks.set(event.contentBlockStart.contentBlockIndex, { ...event.contentBlockStart.start });
    } else if ('contentBlockDelta' in event) {
      const { contentBlockIndex, delta } = event.contentBlockDelta;
      const block = blocks.get(contentBlockIndex) ?? {};
      blocks.set(contentBlockIndex, block);
      addDelta(block, delta);
    } else if ('messageStop' in event) stopReason = event.messageStop.stopReason;
    else if ('metadata' in event) metadata = event.metadata;
  }
  const content = [...blocks].sort(([a], [b]) => a - b).map(([, block]) => parsedTool(block));
  return { output: { message: { role: 'assistant', content } }, stopReason, ...metadata };
}

/** Texts, also those within an object, are appended to what is there. */
function addDelta(block: Record<string, unknown>, delta: Json): void {
  for (const [name, value] of Object.entries(delta)) {
    const there = block[name];
    if (typeof value === 'string' && typeof there === 'string') block[name] = there + value;
    else if (isObject(value) && isObject(there)) {
      const inner = { ...there };
      addDelta(inner, value);
      block[name] = inner;
    } else block[name] = value;
  }
}

function parsedTool(block: Record<string, unknown>): Json {
  const { toolUse } = block;
  if (!isObject(toolUse) || typeof toolUse['input'] !== 'string') return block;
  return { ...block, toolUse: { ...toolUse, input: JSON.parse(toolUse['input']) as unknown } };
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
