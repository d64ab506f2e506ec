import { AppError } from '@wardstone/rpc';
import { EmbedKind } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { createPassageVectors } from '../src/adapters/passage-vectors.ts';
import { createQuestionVectors } from '../src/adapters/question-vectors.ts';
import type { PassageCall } from '../src/ports.ts';
import { clinician, reasonOf, seededVector } from './support/harness.ts';

const modelId = 'model/a:1';
const refused = new AppError('INVALID_ARGUMENT', {
  violations: [{ field: 'model_id', description: 'is not a model that is served' }],
});
const call: PassageCall = {
  ...{ tenantId: uuidv7(), requestId: 'request-1', modelId, title: 'Title', texts: ['a', 'b', 'c'] },
  signal: new AbortController().signal,
};

/** Embedding that fails as told for some texts. */
function embedding(faultOf: (text: string) => AppError | undefined, of = modelId) {
  const requests: { texts: string[]; title?: string; kind?: EmbedKind; modelId?: string }[] = [];
  return {
    requests,
    client: {
      embed: (request: object) => {
        const asked = request as (typeof requests)[number];
        requests.push(asked);
        const fault = asked.texts.map(faultOf).find((found) => found !== undefined);
        if (fault !== undefined) return Promise.reject(fault);
        const embeddings = asked.texts.map(() => ({ values: Array.from(seededVector(1)) }));
        return Promise.resolve({ embeddings, modelId: of, dimensions: 1024 } as never);
      },
      getModels: () => Promise.resolve({ current: { modelId, dimensions: 1024 }, kept: [] } as never),
    },
  };
}

describe('passage vectors: what embedding says', () => {
  it('asks for passages of the model and the title', async () => {
    const { client, requests } = embedding(() => undefined);
    expect(await createPassageVectors(client).vectorsOf(call)).to.have.length(3);
    expect(requests).to.deep.equal([{ texts: ['a', 'b', 'c'], title: 'Title', modelId, kind: EmbedKind.PASSAGE }]);
  });

  it('tells a model that is not served from one that is away', async () => {
    expect(await createPassageVectors(embedding(() => refused).client).vectorsOf(call)).to.equal(undefined);
    for (const reason of ['MODEL_UNAVAILABLE', 'SERVICE_UNAVAILABLE', 'RATE_LIMITED', 'TENANT_SUSPENDED'] as const) {
      const { client } = embedding(() => new AppError(reason));
      expect(await reasonOf(createPassageVectors(client).vectorsOf(call))).to.equal(reason);
    }
    const context = {
      ...{ principal: clinician(call.tenantId), peer: 'gateway', requestId: 'request-1', signal: call.signal },
      ...{ timeoutMs: () => 5_000, log: undefined as never },
    };
    const ask = (fault: AppError) =>
      createQuestionVectors(embedding(() => fault).client).vectorOf('x', context, modelId);
    expect(await ask(refused)).to.equal(undefined);
    expect(await reasonOf(ask(new AppError('INVALID_ARGUMENT')))).to.equal('INVALID_ARGUMENT');
    expect(await reasonOf(ask(new AppError('SERVICE_UNAVAILABLE')))).to.equal('MODEL_UNAVAILABLE');
  });

  const ofField = (field: string) =>
    new AppError('INVALID_ARGUMENT', { violations: [{ field, description: 'is too long' }] });

  for (const fault of [new AppError('TEXT_TOO_LARGE'), new AppError('MODEL_INPUT_INVALID'), ofField('texts[1]')]) {
    it(`gives the others when one text is refused (${fault.reason})`, async () => {
      const { client, requests } = embedding((text) => (text === 'b' ? fault : undefined));
      const vectors = await createPassageVectors(client).vectorsOf(call);
      expect(vectors?.map((vector) => vector !== undefined)).to.deep.equal([true, false, true]);
      expect(requests.map(({ texts }) => texts.length)).to.deep.equal([3, 1, 1, 1]);
    });
  }

  it('gives up no passage for a title that is refused, or for a mistake of our own', async () => {
    for (const fault of [ofField('title'), new AppError('INVALID_ARGUMENT')]) {
      const { client, requests } = embedding(() => fault);
      expect(await reasonOf(createPassageVectors(client).vectorsOf(call))).to.equal('INVALID_ARGUMENT');
      expect(requests).to.have.length(1);
    }
  });

  it('takes nothing of another model, and no vector of another length or of none', async () => {
    expect(await reasonOf(createPassageVectors(embedding(() => undefined, 'b').client).vectorsOf(call))).to.equal(
      'MODEL_UNAVAILABLE',
    );
    for (const values of [[1, 0], Array.from({ length: 1024 }, () => 0)]) {
      const { client } = embedding(() => undefined);
      const embed = () => Promise.resolve({ embeddings: [{ values }], modelId } as never);
      const made = createPassageVectors({ ...client, embed }).vectorsOf({ ...call, texts: ['a'] });
      expect(await made).to.deep.equal([undefined]);
    }
  });

  it('follows no model whose vectors the index does not hold', async () => {
    const { client } = embedding(() => undefined);
    expect(await createPassageVectors(client).currentModel(call.signal)).to.equal(modelId);
    for (const current of [undefined, { modelId, dimensions: 512 }]) {
      const getModels = () => Promise.resolve({ current, kept: [] } as never);
      const asked = createPassageVectors({ ...client, getModels }).currentModel(call.signal);
      expect(await reasonOf(asked)).to.equal('INTERNAL');
    }
  });
});
