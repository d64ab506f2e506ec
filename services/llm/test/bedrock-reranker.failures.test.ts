import { AppError, type Reason } from '@wardstone/rpc';
import { eventually } from '@wardstone/testing';
import type { BedrockFault } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { orAsRetrieved } from '../src/domain/rerank.ts';
import type { Reranker } from '../src/ports.ts';
import { useBedrockReranker } from './support/bedrock-reranker.ts';
import { rerankerCard } from './support/claude.ts';
import { question, shuffled } from './support/reranker-contract.ts';
import { sourceOf } from './support/sources.ts';

const failures: readonly [BedrockFault, Reason, number][] = [
  [{ kind: 'error', type: 'ThrottlingException' }, 'MODEL_THROTTLED', 3],
  [{ kind: 'error', type: 'InternalServerException' }, 'MODEL_UNAVAILABLE', 3],
  [{ kind: 'error', type: 'BadGatewayException' }, 'MODEL_UNAVAILABLE', 3],
  [{ kind: 'error', type: 'DependencyFailedException' }, 'MODEL_UNAVAILABLE', 3],
  [{ kind: 'error', type: 'ConflictException' }, 'MODEL_UNAVAILABLE', 3],
  [{ kind: 'error', type: 'ServiceQuotaExceededException' }, 'MODEL_QUOTA_EXCEEDED', 1],
  [{ kind: 'error', type: 'ValidationException' }, 'MODEL_INPUT_INVALID', 1],
  [{ kind: 'error', type: 'ResourceNotFoundException' }, 'MODEL_NOT_FOUND', 1],
  [{ kind: 'error', type: 'AccessDeniedException' }, 'MODEL_ACCESS_DENIED', 1],
  [{ kind: 'broken-json' }, 'MODEL_STREAM_BROKEN', 3],
];

describe('Bedrock’s reranker', () => {
  const suite = useBedrockReranker();
  const rerank = (reranker: Reranker, signal = new AbortController().signal) =>
    reranker.rerank(question, shuffled, 2, signal);
  const reasonOf = (work: Promise<unknown>): Promise<Reason> =>
    work.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => AppError.from(error).reason,
    );

  it('names the model in its region, and sends titles with texts', async () => {
    await rerank(suite.reranker());
    const [call] = suite.double.calls;
    expect(call?.model).to.equal(`arn:aws:bedrock:${suite.double.region}::foundation-model/${rerankerCard.id}`);
    expect(JSON.stringify(call?.body)).to.contain('Letter\\nWarfarin was stopped because of bleeding.');
    expect(suite.told).to.deep.equal([`rerank ${rerankerCard.label} ok`]);
  });

  it('names models in the other partitions of AWS by theirs', async () => {
    for (const [region, partition] of [
      ['us-gov-west-1', 'aws-us-gov'],
      ['cn-north-1', 'aws-cn'],
    ] as const) {
      await rerank(suite.reranker({ region }));
      expect(suite.double.calls.at(-1)?.model).to.equal(
        `arn:${partition}:bedrock:${region}::foundation-model/${rerankerCard.id}`,
      );
    }
  });

  it('sends no text that Bedrock would refuse for its length, and counts a long one as several', async () => {
    const long = sourceOf({ number: 4, text: 'word '.repeat(10_000) });
    const signal = new AbortController().signal;
    const few = await suite.reranker().rerank(question, shuffled, 2, signal);
    expect(few.usage).to.deep.include({ modelId: rerankerCard.id, inputTokens: 0, costMicroUsd: 2_000 });
    const many = await suite.reranker().rerank(question, [long, long, long, long, ...shuffled], 2, signal);
    const sent = (
      suite.double.calls[1]?.body['sources'] as { inlineDocumentSource: { textDocument: { text: string } } }[]
    )[0];
    expect(sent?.inlineDocumentSource.textDocument.text).to.have.length(32_000);
    expect(many.usage?.costMicroUsd).to.equal(4_000);
  });

  for (const [fault, reason, attempts] of failures) {
    it(`${'type' in fault ? fault.type : fault.kind} is ${reason} after ${String(attempts)} of its attempts`, async () => {
      suite.double.fault(fault);
      expect(await reasonOf(rerank(suite.reranker()))).to.equal(reason);
      expect(suite.double.calls).to.have.length(attempts);
      expect(suite.told).to.deep.equal([`rerank ${rerankerCard.label} ${reason}`]);
    });
  }

  it('refuses an order of sources that it has not sent', async () => {
    suite.double.onRerank(() => ({ results: [{ index: 3, relevanceScore: 1 }] }));
    expect(await reasonOf(rerank(suite.reranker()))).to.equal('MODEL_STREAM_BROKEN');
  });

  it('puts sources that the model does not name behind those that it names', async () => {
    suite.double.onRerank(() => ({ results: [{ index: 2, relevanceScore: 1 }] }));
    expect((await rerank(suite.reranker())).sources.map(({ chunkId }) => chunkId)).to.deep.equal(['c', 'a']);
  });

  it('has a time of its own, and ends with its caller', async () => {
    suite.double.fault({ kind: 'stall' });
    expect(await reasonOf(rerank(suite.reranker({ timeoutMs: 50 })))).to.equal('MODEL_TIMEOUT');
    const caller = new AbortController();
    const left = reasonOf(rerank(suite.reranker(), caller.signal));
    await eventually(() => suite.double.calls.length === 2);
    caller.abort(new AppError('CANCELLED'));
    expect(await left).to.equal('CANCELLED');
    await eventually(() => suite.double.calls.every(({ aborted }) => aborted));
  });

  describe('while it is away', () => {
    const logged: string[] = [];
    const told: string[] = [];
    const tolerant = (reranker: Reranker): Reranker =>
      orAsRetrieved(reranker, {
        metrics: { reranked: (id, outcome) => told.push(`${id} ${outcome}`) },
        log: { warn: (fields: unknown) => void logged.push(JSON.stringify(fields)) },
      });
    beforeEach(() => [logged, told].forEach((list) => list.splice(0)));

    it('leaves the sources in retrieval’s order, and tells so', async () => {
      suite.double.fault({ kind: 'error', type: 'ServiceUnavailableException' });
      suite.double.fault({ kind: 'error', type: 'InternalServerException' });
      const { sources, usage } = await rerank(tolerant(suite.reranker()));
      expect(sources).to.deep.equal(shuffled.slice(0, 2));
      expect(usage).to.equal(undefined);
      expect(told).to.deep.equal([`${rerankerCard.id} MODEL_UNAVAILABLE`]);
      expect(logged).to.have.length(1);
      expect(logged[0]).to.contain('MODEL_UNAVAILABLE').and.not.to.contain('arfarin');
    });

    it('does not go on for a caller who has left', async () => {
      suite.double.fault({ kind: 'stall' });
      const caller = new AbortController();
      const left = reasonOf(rerank(tolerant(suite.reranker()), caller.signal));
      await eventually(() => suite.double.calls.length === 1);
      caller.abort(new AppError('CANCELLED'));
      expect(await left).to.equal('CANCELLED');
      expect(logged).to.deep.equal([]);
    });

    it('tells of an order that was had', async () => {
      await rerank(tolerant(suite.reranker()));
      expect(told).to.deep.equal([`${rerankerCard.id} ok`]);
    });
  });
});
