import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '@wardstone/testing';
import { testAwsRegion } from '@wardstone/testing/aws';
import { startBedrockDouble, type BedrockDouble } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import pg from 'pg';
import { notePdf, syntheticNote } from '../src/documents.ts';
import type { ProblemView } from '../src/rest.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';

const lexical = 'wardstone-lexical-1';
const titan = 'amazon.titan-embed-text-v2:0/1024';
const indexedBefore = 6;
const meanwhile = 3;

describe('a change of the embedding model under load', function () {
  this.timeout(240_000);
  let stack: Stack;
  let double: BedrockDouble;
  let dir: string;

  /** The configuration is read from files, so that a program that is restarted finds another one. */
  const configure = async (model: string, kept: string): Promise<void> => {
    await writeFile(path.join(dir, 'model'), model);
    await writeFile(path.join(dir, 'kept'), kept);
  };
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-model-change-'));
    double = await startBedrockDouble();
    await configure('lexical', lexical);
    stack = await startStack('model-change', {
      embedding: {
        WARDSTONE_EMBEDDING_MODEL_FILE: path.join(dir, 'model'),
        WARDSTONE_EMBEDDING_KEPT_MODELS_FILE: path.join(dir, 'kept'),
        WARDSTONE_BEDROCK_REGION: testAwsRegion,
        WARDSTONE_BEDROCK_ENDPOINT: double.endpoint,
        ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' },
      },
      retrieval: { WARDSTONE_REEMBED_INTERVAL_MS: '500', WARDSTONE_OLD_VECTORS_KEPT_MS: '1' },
    });
  });
  after(async () => {
    await stack.stop();
    await double.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('answers every search from one model and none of them empty, and ends with the new one alone', async () => {
    const clinician = stack.as('north-clinician');
    const notes = Array.from({ length: indexedBefore + meanwhile }, (_, number) =>
      syntheticNote(number, 'Weathervane'),
    );
    const upload = async (number: number): Promise<void> => {
      const note = notes[number];
      if (note !== undefined) await ingest(clinician, note.fileName, await notePdf(note), note.title);
    };
    for (let number = 0; number < indexedBefore; number += 1) await upload(number);

    let [going, isRestarting, searches] = [true, false, 0];
    const faults: string[] = [];
    const search = async (): Promise<void> => {
      for (let number = 0; going; number = (number + 1) % indexedBefore) {
        const note = notes[number];
        const wasRestarting = isRestarting;
        const { status, body } = await clinician.search(note?.question ?? '', { topK: 5 });
        searches += 1;
        // There is but one embedding here, so that nobody answers while it is started again.
        if (status === 503 && (wasRestarting || isRestarting)) continue;
        if (status !== 200) faults.push(`${String(status)} ${String((body as unknown as ProblemView).reason)}`);
        else if (!body.hits.some(({ text }) => text.includes(note?.answer ?? '?'))) faults.push('the note is missing');
      }
    };
    const searching = [search(), search()];
    try {
      await eventually(() => searches > 5);
      await configure('titan', lexical);
      isRestarting = true;
      await stack.platform.restart('embedding');
      isRestarting = false;
      for (let number = indexedBefore; number < indexedBefore + meanwhile; number += 1) await upload(number);
      await eventually(async () => (await vectors()).join() === titan && (await tenantModel()) === titan, {
        timeoutMs: 120_000,
        intervalMs: 300,
        description: 'the tenant to have vectors of the new model alone',
      });
      const after = searches;
      await eventually(() => searches > after + 5);
    } finally {
      going = false;
      await Promise.allSettled(searching);
    }
    expect(faults).to.deep.equal([]);

    const modelsOf = async (action: string, attribute: string): Promise<Set<string | undefined>> => {
      const url = `/v1/audit-events?pageSize=500&action=${action}`;
      const { body } = await stack
        .as('north-auditor')
        .call<{ data: { attributes: Record<string, string> }[] }>('GET', url);
      return new Set(body.data.map(({ attributes }) => attributes[attribute]));
    };
    expect(await modelsOf('search.read', 'model')).to.deep.equal(new Set([lexical, titan]));
    expect(await modelsOf('index.switch-model', 'to')).to.deep.equal(new Set([titan]));

    // The old model is not needed any more.
    await configure('titan', '');
    await stack.platform.restart('embedding');
    for (const note of notes) {
      const { body } = await clinician.search(note.question, { topK: 5 });
      expect(body.hits.map(({ text }) => text).join(' ')).to.contain(note.answer);
    }
  });

  /** Models that vectors of the tenant are of. */
  const vectors = async (): Promise<unknown[]> =>
    (await query('select distinct model_id as model from retrieval.chunk_vector where tenant_id = $1')).map(
      ({ model }) => model,
    );
  const tenantModel = async (): Promise<unknown> =>
    (await query('select model_id as model from retrieval.tenant_model where tenant_id = $1 and settled'))[0]?.model;

  async function query(sql: string): Promise<{ model: unknown }[]> {
    const client = new pg.Client({ connectionString: stack.platform.adminDatabaseUrl });
    await client.connect();
    try {
      return (await client.query<{ model: unknown }>(sql, [stack.platform.accounts.tenants[0]?.id])).rows;
    } finally {
      await client.end();
    }
  }
});
