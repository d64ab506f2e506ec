/** Puts the models of an installation together: the second half of the composition root. */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  createBedrockAgentRuntime,
  createBedrockRuntime,
  createModelGuard,
  type BedrockClientOptions,
  type ModelGuard,
} from '@wardstone/aws/bedrock';
import { ConfigError } from '@wardstone/config';
import { AppError, type Closable } from '@wardstone/rpc';
import type { Logger } from '@wardstone/telemetry';
import { createClaude, type ClaudeOptions } from './adapters/bedrock-claude.ts';
import { createBedrockReranker } from './adapters/bedrock-reranker.ts';
import type { ModelRoute, ModelRoutes } from './adapters/bedrock-route.ts';
import { loadCards } from './adapters/cards-file.ts';
import { createGuardrailGuards, type GuardrailGuards } from './adapters/guardrail-guards.ts';
import { answerPromptVersion, loadPrompt, rewritePromptVersion } from './adapters/prompt-files.ts';
import { asRetrieved } from './domain/as-retrieved.ts';
import { createExtractiveAnswerer, extractiveCard } from './domain/extractive-answerer.ts';
import { guardrailModelId } from './domain/guardrail-units.ts';
import { createModels } from './domain/installed-models.ts';
import { createLocalReranker } from './domain/local-reranker.ts';
import type { BedrockCard, Cards, RerankerCard } from './domain/model-cards.ts';
import { orAsRetrieved } from './domain/rerank.ts';
import { guardrailOf, type ModelConfig } from './model-config.ts';
import type { ModelMetrics, RouteLabels } from './model-metrics.ts';
import type { AnswerModels, ModelAlias, Reranker } from './ports.ts';

export interface InstalledModels extends Closable {
  readonly models: AnswerModels;
  readonly reranker: Reranker;
  /** Checks for readiness: `model` fails while the default model would be refused wherever it is asked. */
  readonly dependencies: Readonly<Record<string, () => Promise<void>>>;
}

export interface InstallOptions {
  readonly config: ModelConfig;
  /** Answers in flight at most. */
  readonly maxAnswers: number;
  readonly metrics: ModelMetrics;
  readonly log: Logger;
}

/** The SDK's own bound comes after ours, which have a reason of their own. */
const sdkMarginMs = 2_000;
/** Connections beside those of answers: rewrites, guardrails, and what is being closed. */
const spareConnections = 64;

/** Thrown: ConfigError when cards or fallbacks do not go together. */
export function installModels(options: InstallOptions): InstalledModels {
  const { config, log, metrics } = options;
  const usesCards = config.WARDSTONE_LLM_MODEL === 'bedrock' || config.WARDSTONE_LLM_RERANK === 'bedrock';
  const cards = usesCards ? loadCards(config.WARDSTONE_LLM_CARDS_FILE) : undefined;
  const bedrock = createBedrock(options);
  const reranker = rerankerOf(options, cards?.rerankers ?? [], bedrock);
  return {
    ...(config.WARDSTONE_LLM_MODEL === 'bedrock' && cards ? claudes(options, cards, bedrock) : extractive(log)),
    reranker: reranker === undefined ? asRetrieved : orAsRetrieved(reranker, { metrics, log }),
    close: bedrock.close,
  };
}

type Answering = Pick<InstalledModels, 'models' | 'dependencies'>;

function extractive(log: Logger): Answering {
  const model = createExtractiveAnswerer();
  log.warn({ model: model.id }, 'the embedded extractive model is in use: it quotes, it does not reason');
  return { models: createModels([{ card: extractiveCard, model }]), dependencies: {} };
}

/** One model for each card, with routes that they share: a region's trouble with a model is known to all of its calls. */
function claudes(
  { config, metrics, log }: InstallOptions,
  cards: Pick<Cards, 'models' | 'guardrails'>,
  bedrock: Bedrock,
): Answering {
  const routesOf = (card: BedrockCard): ModelRoutes => [
    bedrock.route(card, config.WARDSTONE_BEDROCK_REGION),
    ...fallbacksOf(config, cards, card).map((other) => bedrock.route(other.card, other.region)),
  ];
  const [quality, fast] = [holderOf(cards, 'quality'), holderOf(cards, 'fast')];
  const common: Omit<ClaudeOptions, 'routes'> = {
    rewriteRoute: bedrock.route(fast, config.WARDSTONE_BEDROCK_REGION),
    prompts: { answer: loadPrompt(answerPromptVersion), rewrite: loadPrompt(rewritePromptVersion) },
    canary: randomUUID(),
    drawCode: () => randomBytes(8).toString('hex'),
    limits: {
      firstTokenTimeoutMs: config.WARDSTONE_LLM_FIRST_TOKEN_TIMEOUT_MS,
      stallTimeoutMs: config.WARDSTONE_LLM_STALL_TIMEOUT_MS,
      answerTimeoutMs: config.WARDSTONE_LLM_ANSWER_TIMEOUT_MS,
      rewriteTimeoutMs: config.WARDSTONE_LLM_REWRITE_TIMEOUT_MS,
      guardrailTimeoutMs: config.WARDSTONE_LLM_GUARDRAIL_TIMEOUT_MS,
    },
    guardrail: guardrailOf(config),
    guardrailCheck: config.WARDSTONE_LLM_GUARDRAIL_CHECK,
    guardrailPrices: cards.guardrails,
    guardrailGuards: guardrailGuards({ metrics, log }),
    metrics,
  };
  const installed = cards.models.map((card) => ({ card, model: createClaude({ ...common, routes: routesOf(card) }) }));
  const standard = routesOf(quality);
  const model = (): Promise<void> =>
    standard.every(({ guard }) => guard.refuses())
      ? Promise.reject(new AppError('MODEL_UNAVAILABLE'))
      : Promise.resolve();
  return { models: createModels(installed), dependencies: { model } };
}

/** No part of readiness, nor of the metric of circuits: whatever becomes of a guardrail, the models are there. */
function guardrailGuards({ metrics, log }: Pick<InstallOptions, 'metrics' | 'log'>): GuardrailGuards {
  return createGuardrailGuards((guardrail, region) =>
    createModelGuard({
      onRetry: ({ reason }) => metrics.retried({ model: guardrailModelId, region }, reason),
      onCircuit: (position) => log.warn({ guardrail, region, position }, 'the circuit of a guardrail changed'),
    }),
  );
}

/** Where answers of a card go on, without the place where they began. */
function fallbacksOf(config: ModelConfig, cards: Pick<Cards, 'models'>, card: BedrockCard) {
  const { WARDSTONE_BEDROCK_REGION: home, WARDSTONE_LLM_FALLBACKS: fallbacks } = config;
  return fallbacks
    .map(({ modelId, region = home }) => {
      const other = modelId === undefined ? card : cards.models.find(({ id }) => id === modelId);
      if (other === undefined) throw new ConfigError(['WARDSTONE_LLM_FALLBACKS: names a model that has no card']);
      return { card: other, region };
    })
    .filter((other) => other.card !== card || other.region !== home);
}

/** The cards' schema sees to it that there is one. */
function holderOf(cards: Pick<Cards, 'models'>, alias: ModelAlias): BedrockCard {
  const card = cards.models.find(({ aliases }) => aliases.includes(alias));
  if (card === undefined) throw new ConfigError([`WARDSTONE_LLM_CARDS_FILE: no model is ${alias}`]);
  return card;
}

function rerankerOf(
  { config, metrics }: InstallOptions,
  cards: readonly RerankerCard[],
  bedrock: Bedrock,
): Reranker | undefined {
  if (config.WARDSTONE_LLM_RERANK === 'off') return undefined;
  if (config.WARDSTONE_LLM_RERANK === 'local') return createLocalReranker();
  const wanted = config.WARDSTONE_LLM_RERANK_MODEL ?? cards[0]?.id;
  const card = cards.find(({ id }) => id === wanted);
  if (card === undefined) throw new ConfigError(['WARDSTONE_LLM_RERANK_MODEL: is none of the cards’ rerankers']);
  const region = regionOf(config.WARDSTONE_LLM_RERANK_REGION ?? config.WARDSTONE_BEDROCK_REGION);
  const labels = { model: card.label, region };
  return createBedrockReranker({
    ...{ card, region, metrics, guard: bedrock.guard(labels), client: bedrock.agents(region) },
    timeoutMs: config.WARDSTONE_LLM_RERANK_TIMEOUT_MS,
  });
}

/** Clients by region, and guards by model and region. */
interface Bedrock extends Closable {
  route(card: BedrockCard, region: string | undefined): ModelRoute;
  guard(labels: RouteLabels): ModelGuard;
  agents(region: string): ReturnType<typeof createBedrockAgentRuntime>;
}

function createBedrock({ config, maxAnswers, metrics, log }: InstallOptions): Bedrock {
  const runtimes = new Map<string, ReturnType<typeof createBedrockRuntime>>();
  const routes = new Map<string, ModelRoute>();
  const clients: { destroy(): void }[] = [];
  const clientOptions = (region: string, endpoint: string | undefined): BedrockClientOptions => ({
    ...{ region, endpoint },
    requestTimeoutMs:
      Math.max(
        config.WARDSTONE_LLM_FIRST_TOKEN_TIMEOUT_MS,
        config.WARDSTONE_LLM_STALL_TIMEOUT_MS,
        config.WARDSTONE_LLM_REWRITE_TIMEOUT_MS,
        config.WARDSTONE_LLM_GUARDRAIL_TIMEOUT_MS,
      ) + sdkMarginMs,
    maxConnections: maxAnswers + spareConnections,
    userAgent: 'wardstone-llm',
  });
  const opened = <T extends { destroy(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };
  const guard = (labels: RouteLabels): ModelGuard => {
    metrics.circuit(labels, 'closed');
    return createModelGuard({
      onRetry: ({ reason }) => metrics.retried(labels, reason),
      onCircuit(position) {
        metrics.circuit(labels, position);
        log.warn({ ...labels, position }, 'the circuit of a model changed');
      },
    });
  };
  return {
    guard,
    route(card, maybeRegion) {
      const region = regionOf(maybeRegion);
      const key = `${card.id}@${region}`;
      const endpoint = region === config.WARDSTONE_BEDROCK_REGION ? config.WARDSTONE_BEDROCK_ENDPOINT : undefined;
      const client = runtimes.get(region) ?? opened(createBedrockRuntime(clientOptions(region, endpoint)));
      runtimes.set(region, client);
      const route = routes.get(key) ?? { card, region, client, guard: guard({ model: card.label, region }) };
      routes.set(key, route);
      return route;
    },
    agents: (region) =>
      opened(createBedrockAgentRuntime(clientOptions(region, config.WARDSTONE_BEDROCK_AGENT_ENDPOINT))),
    close() {
      for (const client of clients) client.destroy();
      return Promise.resolve();
    },
  };
}

function regionOf(region: string | undefined): string {
  if (region === undefined) throw new ConfigError(['WARDSTONE_BEDROCK_REGION: is required with Bedrock']);
  return region;
}
