/** The variables that say which models answer, and where they are. */
import {
  awsRegion,
  ConfigError,
  type EmbeddedConfig,
  fields,
  refuseClearBedrockInProduction,
  refuseEmbeddedInProduction,
} from '@wardstone/config';
import { z } from 'zod';
import type { Guardrail } from './ports.ts';

const modelId = /^[A-Za-z0-9._:/-]{1,200}$/;
const maxFallbacks = 4;

/** Where an answer goes on: another model, another region, or both. What is not said stays. */
export interface Fallback {
  readonly modelId: string | undefined;
  readonly region: string | undefined;
}

/** `id`, `@region` or `id@region`. */
const fallback = z.string().transform((text, ctx): Fallback => {
  const [id = '', region = '', ...rest] = text.split('@');
  const isWell =
    rest.length === 0 &&
    (id === '' || modelId.test(id)) &&
    (region === '' ? !text.includes('@') : awsRegion.safeParse(region).success);
  if (!isWell) ctx.addIssue({ code: 'custom', message: 'must be model, @region or model@region' });
  return { modelId: id === '' ? undefined : id, region: region === '' ? undefined : region };
});

export const modelFields = {
  /** extractive: the embedded one. bedrock: the models of the cards. */
  WARDSTONE_LLM_MODEL: z.enum(['extractive', 'bedrock']).default('extractive'),
  /** Required with Bedrock. */
  WARDSTONE_BEDROCK_REGION: awsRegion.optional(),
  /** Instead of Bedrock's own address in that region: an interface endpoint in the VPC. Other regions keep theirs. */
  WARDSTONE_BEDROCK_ENDPOINT: fields.url.optional(),
  /** The same for Rerank, which is another service of AWS (bedrock-agent-runtime) with another endpoint. */
  WARDSTONE_BEDROCK_AGENT_ENDPOINT: fields.url.optional(),
  /** Models, their bounds and prices; those that come with the service when not set. */
  WARDSTONE_LLM_CARDS_FILE: fields.filePath.optional(),
  /** Where an answer goes on that could not begin, in this order. */
  WARDSTONE_LLM_FALLBACKS: fields.list.pipe(z.array(fallback).max(maxFallbacks)).default([]),
  WARDSTONE_LLM_FIRST_TOKEN_TIMEOUT_MS: fields.durationMs.default(20_000),
  /** Longest silence within an answer. */
  WARDSTONE_LLM_STALL_TIMEOUT_MS: fields.durationMs.default(15_000),
  /** Of an answer with all attempts and fallbacks. */
  WARDSTONE_LLM_ANSWER_TIMEOUT_MS: fields.durationMs.default(120_000),
  WARDSTONE_LLM_REWRITE_TIMEOUT_MS: fields.durationMs.default(8_000),
  /** A guardrail of the installation; with a version. */
  WARDSTONE_LLM_GUARDRAIL_ID: fields.text.optional(),
  WARDSTONE_LLM_GUARDRAIL_VERSION: fields.text.optional(),
  WARDSTONE_LLM_GUARDRAIL_CHECK: z.enum(['stream', 'whole']).default('stream'),
  /** Of a call that checks a piece of an answer. */
  WARDSTONE_LLM_GUARDRAIL_TIMEOUT_MS: fields.durationMs.default(10_000),
  WARDSTONE_LLM_RERANK: z.enum(['off', 'local', 'bedrock']).default('off'),
  /** Of the cards' rerankers; the first of them when not set. */
  WARDSTONE_LLM_RERANK_MODEL: z.string().regex(modelId, 'must be the id of a model').optional(),
  /** WARDSTONE_BEDROCK_REGION when not set. */
  WARDSTONE_LLM_RERANK_REGION: awsRegion.optional(),
  WARDSTONE_LLM_RERANK_TIMEOUT_MS: fields.durationMs.default(2_000),
} as const;

/** The values of modelFields. */
export type ModelConfig = Readonly<z.infer<z.ZodObject<typeof modelFields>>>;

/** Thrown: ConfigError when what is set does not go together, or may not be used in production. */
export function checkModels(config: ModelConfig & EmbeddedConfig): void {
  const usesBedrock = config.WARDSTONE_LLM_MODEL === 'bedrock' || config.WARDSTONE_LLM_RERANK === 'bedrock';
  if (usesBedrock && config.WARDSTONE_BEDROCK_REGION === undefined) {
    throw new ConfigError(['WARDSTONE_BEDROCK_REGION: is required with Bedrock']);
  }
  const { WARDSTONE_LLM_GUARDRAIL_ID: id, WARDSTONE_LLM_GUARDRAIL_VERSION: version } = config;
  if ((id === undefined) !== (version === undefined)) {
    throw new ConfigError([
      `WARDSTONE_LLM_GUARDRAIL_${id === undefined ? 'ID' : 'VERSION'}: is required with the other of the two`,
    ]);
  }
  if (config.WARDSTONE_LLM_MODEL === 'extractive') {
    // What was set to protect must not be left out without a word.
    if (id !== undefined) throw new ConfigError(['WARDSTONE_LLM_GUARDRAIL_ID: takes WARDSTONE_LLM_MODEL=bedrock']);
    refuseEmbeddedInProduction(config, 'the extractive answering model');
  }
  if (usesBedrock) {
    const { WARDSTONE_BEDROCK_ENDPOINT: models, WARDSTONE_BEDROCK_AGENT_ENDPOINT: agents } = config;
    refuseClearBedrockInProduction(config, [models, agents]);
  }
}

/** The guardrail of the installation. */
export function guardrailOf(config: ModelConfig): Guardrail | undefined {
  const { WARDSTONE_LLM_GUARDRAIL_ID: id, WARDSTONE_LLM_GUARDRAIL_VERSION: version } = config;
  return id === undefined || version === undefined ? undefined : { id, version };
}
