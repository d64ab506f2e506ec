import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@wardstone/config';
import { createTelemetry, Registry } from '@wardstone/telemetry';
import { expect } from 'chai';
import { z } from 'zod';
import { defaultCardsText } from '../src/adapters/cards-file.ts';
import { type InstalledModels, installModels } from '../src/install-models.ts';
import { checkModels, guardrailOf, modelFields } from '../src/model-config.ts';
import { createModelMetrics } from '../src/model-metrics.ts';

const schema = z.object({ ...modelFields, NODE_ENV: z.string().optional() });
const bedrock = { WARDSTONE_LLM_MODEL: 'bedrock', WARDSTONE_BEDROCK_REGION: 'us-east-1' };
const { log } = createTelemetry({ service: 'llm', version: '0', logLevel: 'silent' });

const configOf = (env: Record<string, string>) => {
  const config = readConfig(schema, env);
  checkModels(config);
  return config;
};
const install = (env: Record<string, string>): InstalledModels =>
  installModels({ config: configOf(env), maxAnswers: 4, metrics: createModelMetrics(new Registry()), log });
const problemOf = (work: () => unknown): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof Error && 'problems' in error ? String((error.problems as string[])[0]) : String(error);
  }
};

describe('the configuration of models', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cards-'));
  after(() => rmSync(folder, { recursive: true }));
  const cardsFile = (cards: unknown): string => {
    const file = join(folder, 'cards.json');
    writeFileSync(file, typeof cards === 'string' ? cards : JSON.stringify(cards));
    return file;
  };
  const defaults = () =>
    JSON.parse(defaultCardsText()) as { models: { id: string; aliases: string[] }[]; rerankers: [] };

  for (const [name, env, problem] of [
    ['Bedrock without a region', { WARDSTONE_LLM_MODEL: 'bedrock' }, 'WARDSTONE_BEDROCK_REGION: is required'],
    ['a reranker of Bedrock without one', { WARDSTONE_LLM_RERANK: 'bedrock' }, 'WARDSTONE_BEDROCK_REGION: is required'],
    [
      'a guardrail without a version',
      { WARDSTONE_LLM_GUARDRAIL_ID: 'gr-1' },
      'WARDSTONE_LLM_GUARDRAIL_VERSION: is req',
    ],
    [
      'a version without a guardrail',
      { WARDSTONE_LLM_GUARDRAIL_VERSION: '1' },
      'WARDSTONE_LLM_GUARDRAIL_ID: is required',
    ],
    [
      'a guardrail for the embedded model, which takes none',
      { WARDSTONE_LLM_GUARDRAIL_ID: 'gr-1', WARDSTONE_LLM_GUARDRAIL_VERSION: '1' },
      'WARDSTONE_LLM_GUARDRAIL_ID: takes WARDSTONE_LLM_MODEL=bedrock',
    ],
    ['the embedded model in production', { NODE_ENV: 'production' }, 'NODE_ENV: is production'],
    [
      'Bedrock without TLS in production',
      { ...bedrock, NODE_ENV: 'production', WARDSTONE_BEDROCK_ENDPOINT: 'http://bedrock:8080' },
      'NODE_ENV: is production',
    ],
    ['a model that it does not know', { WARDSTONE_LLM_MODEL: 'other' }, 'WARDSTONE_LLM_MODEL: must be one of'],
    ['a fallback to nowhere', { WARDSTONE_LLM_FALLBACKS: '@' }, 'WARDSTONE_LLM_FALLBACKS.0: must be model, @region'],
    [
      'a fallback to two places',
      { WARDSTONE_LLM_FALLBACKS: 'a@b@c' },
      'WARDSTONE_LLM_FALLBACKS.0: must be model, @region',
    ],
    ['too many fallbacks', { WARDSTONE_LLM_FALLBACKS: '@a,@b,@c,@d,@e' }, 'WARDSTONE_LLM_FALLBACKS: must be at most 4'],
  ] as const) {
    it(`refuses ${name}`, () => {
      expect(problemOf(() => configOf(env))).to.match(new RegExp(`^${problem}`));
    });
  }

  for (const [name, env, problem] of [
    ['a fallback that has no card', { WARDSTONE_LLM_FALLBACKS: 'some.model' }, 'WARDSTONE_LLM_FALLBACKS: names'],
    [
      'a reranker that has none',
      { WARDSTONE_LLM_RERANK: 'bedrock', WARDSTONE_LLM_RERANK_MODEL: 'some.reranker' },
      'WARDSTONE_LLM_RERANK_MODEL: is none',
    ],
    ['cards that are not there', { WARDSTONE_LLM_CARDS_FILE: '/nowhere/cards.json' }, 'WARDSTONE_LLM_CARDS_FILE: its'],
  ] as const) {
    it(`refuses ${name}`, () => {
      expect(problemOf(() => install({ ...bedrock, ...env }))).to.match(new RegExp(`^${problem}`));
    });
  }

  it('refuses cards that do not go together, and says what', () => {
    const cards = defaults();
    const twoBest = { ...cards, models: cards.models.map((card) => ({ ...card, aliases: ['quality'] })) };
    for (const [written, problem] of [
      ['{', 'its file cannot be read, or is not JSON'],
      [twoBest, 'must have one model with the alias quality'],
      [{ ...cards, models: [] }, 'models'],
      [{ ...cards, models: [...cards.models, ...cards.models] }, 'has an id twice'],
      [{ ...cards, models: cards.models.map((card) => ({ ...card, contextTokens: 4_096 })) }, 'half of each context'],
    ] as const) {
      const file = cardsFile(written);
      expect(problemOf(() => install({ ...bedrock, WARDSTONE_LLM_CARDS_FILE: file }))).to.contain(problem);
    }
  });

  it('takes Bedrock in production', async () => {
    const installed = install({ ...bedrock, NODE_ENV: 'production' });
    expect(installed.models.known.map(({ id }) => id)).to.deep.equal(defaults().models.map(({ id }) => id));
    expect(installed.models.pick('quality').id).to.equal(defaults().models[0]?.id);
    expect(installed.models.pick('fast').id).to.equal(defaults().models[1]?.id);
    expect(installed.reranker.id).to.equal('as-retrieved');
    await installed.dependencies['model']?.();
    await installed.close();
  });

  it('is extractive and without a reranker unless told', async () => {
    const installed = install({});
    expect(installed.models.known.map(({ id }) => id)).to.deep.equal(['wardstone-extractive-1']);
    expect(installed.reranker.id).to.equal('as-retrieved');
    expect(installed.dependencies).to.deep.equal({});
    await installed.close();
  });

  it('allows the models of its cards alone', async () => {
    const cards = defaults();
    const [first, second] = cards.models;
    const file = cardsFile({ ...cards, models: [first, second] });
    const installed = install({ ...bedrock, WARDSTONE_LLM_CARDS_FILE: file });
    expect(() => installed.models.pick(cards.models[2]?.id ?? '')).to.throw(
      'The model is not one that may be used here',
    );
    await installed.close();
  });

  it('reads guardrail, rerankers and fallbacks', async () => {
    const { models } = defaults();
    const env = {
      ...bedrock,
      WARDSTONE_LLM_GUARDRAIL_ID: 'gr-1',
      WARDSTONE_LLM_GUARDRAIL_VERSION: '3',
      WARDSTONE_LLM_FALLBACKS: `@us-west-2, ${models[1]?.id ?? ''}, ${models[2]?.id ?? ''}@eu-central-1`,
    };
    expect(guardrailOf(configOf(env))).to.deep.equal({ id: 'gr-1', version: '3' });
    expect(configOf(env).WARDSTONE_LLM_FALLBACKS).to.deep.equal([
      { modelId: undefined, region: 'us-west-2' },
      { modelId: models[1]?.id, region: undefined },
      { modelId: models[2]?.id, region: 'eu-central-1' },
    ]);
    for (const [rerank, id] of [
      ['local', 'wardstone-sentences-1'],
      ['bedrock', 'cohere.rerank-v3-5:0'],
    ] as const) {
      const installed = install({ ...env, WARDSTONE_LLM_RERANK: rerank });
      expect(installed.reranker.id).to.equal(id);
      await installed.close();
    }
  });
});
