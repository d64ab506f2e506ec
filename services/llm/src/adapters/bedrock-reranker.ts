/** Rerank of Amazon Bedrock: Cohere's or Amazon's model puts the sources into an order. */
import {
  type BedrockAgentRuntimeClient,
  RerankCommand,
  type RerankCommandInput,
} from '@aws-sdk/client-bedrock-agent-runtime';
import { inBedrock, type ModelGuard } from '@wardstone/aws/bedrock';
import { AppError } from '@wardstone/rpc';
import type { RerankerCard } from '../domain/model-cards.ts';
import { moreCandidates, placed } from '../domain/rerank.ts';
import { estimateTokens } from '../domain/token-estimate.ts';
import type { ModelMetrics } from '../model-metrics.ts';
import type { AnswerSource, ModelUsage, Reranker } from '../ports.ts';

export interface BedrockRerankerOptions {
  readonly card: RerankerCard;
  readonly region: string;
  readonly client: Pick<BedrockAgentRuntimeClient, 'send'>;
  readonly guard: ModelGuard;
  /** Of one order, with all its attempts. */
  readonly timeoutMs: number;
  readonly metrics: Pick<ModelMetrics, 'called'>;
}

/** Of a query and of each document (API reference, RerankTextDocument). */
const maxChars = 32_000;
/** A query is billed for so many documents, a longer document as several (Bedrock's price list). */
const documentsPerQuery = 100;
const tokensPerDocument = 512;

/** Thrown by it: AppErrors, as `bedrockError` has them; MODEL_STREAM_BROKEN for an answer that makes no sense. */
export function createBedrockReranker(options: BedrockRerankerOptions): Reranker {
  const { card, region, client, guard, timeoutMs, metrics } = options;
  const labels = { model: card.label, region };
  const modelArn = `arn:${partitionOf(region)}:bedrock:${region}::foundation-model/${card.id}`;

  async function orderOf(input: RerankCommandInput, signal: AbortSignal): Promise<number[]> {
    const endsAtMs = performance.now() + timeoutMs;
    const attempt = async (): Promise<number[]> => {
      const bounds = { signal, timeoutMs: Math.max(1, endsAtMs - performance.now()) };
      const { results } = await inBedrock(
        (abortSignal) => client.send(new RerankCommand(input), { abortSignal }),
        bounds,
      );
      return (results ?? []).map(({ index }) => placeOf(index, input.sources?.length ?? 0));
    };
    return guard.run(attempt, { signal, timeoutMs });
  }

  return {
    id: card.id,
    candidates: moreCandidates,
    billed(question, sources) {
      const texts = textsOf(sources);
      return texts.length < 2 ? undefined : usageOf(card, question, texts);
    },
    async rerank(question, sources, topK, signal) {
      signal.throwIfAborted();
      const texts = textsOf(sources);
      if (texts.length < 2) return { sources: sources.slice(0, topK) };
      const input = requestOf(question, texts, { modelArn, topK });
      try {
        const order = await orderOf(input, signal);
        metrics.called(labels, 'rerank', 'ok');
        const places = order.flatMap((index) => texts[index]?.at ?? []);
        return { sources: placed(sources, places, topK), usage: usageOf(card, question, texts) };
      } catch (error) {
        const failure = AppError.from(error);
        metrics.called(labels, 'rerank', failure.reason);
        throw failure;
      }
    },
  };
}

/** Nothing is to be said of a source without words, and Bedrock does not take one. */
function textsOf(sources: readonly AnswerSource[]): { readonly text: string; readonly at: number }[] {
  return sources.flatMap((source, at) => {
    const text = textOf(source);
    return text === '' ? [] : [{ text, at }];
  });
}

function textOf({ title, text }: AnswerSource): string {
  return `${title}\n${text}`.trim().slice(0, maxChars);
}

function requestOf(
  question: string,
  texts: readonly { readonly text: string }[],
  { modelArn, topK }: { readonly modelArn: string; readonly topK: number },
): RerankCommandInput {
  return {
    queries: [{ type: 'TEXT', textQuery: { text: question.slice(0, maxChars) } }],
    sources: texts.map(({ text }) => ({
      type: 'INLINE',
      inlineDocumentSource: { type: 'TEXT', textDocument: { text } },
    })),
    rerankingConfiguration: {
      type: 'BEDROCK_RERANKING_MODEL',
      bedrockRerankingConfiguration: {
        numberOfResults: Math.min(topK, texts.length),
        modelConfiguration: { modelArn },
      },
    },
  };
}

function placeOf(index: number | undefined, sources: number): number {
  if (index !== undefined && Number.isInteger(index) && index >= 0 && index < sources) return index;
  throw new AppError('MODEL_STREAM_BROKEN', { cause: new Error('a source was named that was not sent') });
}

/** Estimated, upwards: Bedrock does not say what it bills. Tokens are not what it bills by. */
function usageOf(card: RerankerCard, question: string, texts: readonly { readonly text: string }[]): ModelUsage {
  const ofQuestion = estimateTokens(question);
  const documents = texts.reduce(
    (sum, { text }) => sum + Math.ceil((ofQuestion + estimateTokens(text)) / tokensPerDocument),
    0,
  );
  const queries = Math.ceil(documents / documentsPerQuery);
  return {
    modelId: card.id,
    ...{ inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    costMicroUsd: Math.ceil(queries * card.usdPerThousandQueries * 1_000),
  };
}

function partitionOf(region: string): string {
  return region.startsWith('us-gov-') ? 'aws-us-gov' : region.startsWith('cn-') ? 'aws-cn' : 'aws';
}
