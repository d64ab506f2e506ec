/** What is sent to Bedrock's Converse and ConverseStream. */
import type { ContentBlock, ConverseStreamCommandInput, SystemContentBlock } from '@aws-sdk/client-bedrock-runtime';
import type { BedrockCard } from '../domain/model-cards.ts';
import type { PromptPart } from '../domain/prompt.ts';
import { estimateTokens } from '../domain/token-estimate.ts';
import type { Guardrail } from '../ports.ts';

export interface PromptToSend {
  readonly system: string;
  readonly parts: readonly PromptPart[];
}

/** As it is counted before it is sent. */
export function tokensOfPrompt({ system, parts }: PromptToSend): number {
  return [system, ...parts.map(({ text }) => text)].reduce((sum, text) => sum + estimateTokens(text), 0);
}

/** A guardrail of a stream, and whether it checks there that the answer is grounded in the sources. */
export interface StreamGuardrail extends Guardrail {
  readonly checksGrounding: boolean;
}

/**
 * The request of one answer. A model that refuses sampling parameters is sent none; others are asked for their likeliest words.
 * The cache point stands behind the system prompt: what is cached holds nothing of a tenant.
 */
export function converseRequest(
  card: BedrockCard,
  { system, parts }: PromptToSend,
  guardrail?: StreamGuardrail,
): ConverseStreamCommandInput {
  return {
    modelId: card.id,
    system: systemOf(card, system),
    messages: [{ role: 'user', content: guardrail === undefined ? [textOf(parts)] : guarded(parts, guardrail) }],
    inferenceConfig: { maxTokens: card.maxOutputTokens, ...samplingOf(card) },
    // What comes has been checked; asynchronous checks would let it out before.
    ...(guardrail && { guardrailConfig: { ...guardrailConfig(guardrail), streamProcessingMode: 'sync' } }),
  };
}

export function samplingOf({ sampling }: BedrockCard): { readonly temperature?: number } {
  return sampling === 'accepted' ? { temperature: 0 } : {};
}

export function textOf(parts: readonly PromptPart[]): ContentBlock.TextMember {
  return { text: parts.map(({ text }) => text).join('') };
}

function systemOf({ promptCaching }: BedrockCard, text: string): SystemContentBlock[] {
  return promptCaching ? [{ text }, { cachePoint: { type: 'default' } }] : [{ text }];
}

/** The trace is left out: it holds the words that the guardrail found. */
export function guardrailConfig({ id, version }: Guardrail) {
  return {
    guardrailIdentifier: id,
    guardrailVersion: version,
    trace: 'disabled',
  } as const;
}

/**
 * The question is what policies on input look at, and the conversation before it: who asks may have made it up, and what was kept may
 * be older than the guardrail. The sources only bear on whether the answer is grounded, for a document may well hold what nobody may
 * ask or say. The template's own words are none of a guardrail's business.
 */
export function guarded(
  parts: readonly PromptPart[],
  { checksGrounding }: Pick<StreamGuardrail, 'checksGrounding'>,
): ContentBlock[] {
  const blocks: ContentBlock[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain.trim() !== '') blocks.push({ text: plain });
    plain = '';
  };
  for (const { kind, text } of parts) {
    const qualifiers = qualifiersOf(kind, checksGrounding);
    if (qualifiers === undefined) {
      plain += text;
      continue;
    }
    flush();
    blocks.push({ guardContent: { text: { text, qualifiers: [...qualifiers] } } });
  }
  flush();
  return blocks;
}

function qualifiersOf(kind: PromptPart['kind'], checksGrounding: boolean) {
  if (kind === 'history') return ['guard_content'] as const;
  if (kind === 'question')
    return checksGrounding ? (['query', 'guard_content'] as const) : (['guard_content'] as const);
  return kind === 'sources' && checksGrounding ? (['grounding_source'] as const) : undefined;
}
