/** Vectors of questions, through embedding's RPC. */
import { AppError, forward, type CallContext, type Reason, type ServiceClient } from '@wardstone/rpc';
import { type EmbeddingService, EmbedKind } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { embeddingDimensions } from '../domain/chunk.ts';
import type { QuestionVectors } from '../ports.ts';
import { isNotServed } from './not-served.ts';

/** A question is a few words; a model that takes longer is as good as away. */
const timeoutMs = 10_000;

/** What a caller has to hear as it is: about its own rights, its own deadline, or the audit log. */
const passedOn: ReadonlySet<Reason> = new Set<Reason>([
  'AUDIT_UNAVAILABLE',
  'CANCELLED',
  'CALLER_NOT_ACCEPTED',
  'INVALID_ARGUMENT',
  'PERMISSION_DENIED',
  'RATE_LIMITED',
  'TENANT_OFFBOARDING',
  'TENANT_REQUIRED',
  'TENANT_SUSPENDED',
]);

export function createQuestionVectors(client: Pick<ServiceClient<typeof EmbeddingService>, 'embed'>): QuestionVectors {
  return {
    async vectorOf(question, call, modelId = '') {
      const request = { texts: [question], kind: EmbedKind.QUERY, modelId };
      const answer = await client.embed(request, forward(call, { timeoutMs })).catch((error: unknown) => {
        if (isNotServed(error)) return undefined;
        throw unavailable(error, call);
      });
      if (answer === undefined) return undefined;
      const [values] = answer.embeddings.map((embedding) => Float32Array.from(embedding.values));
      const isOfModel = modelId === '' || answer.modelId === modelId;
      if (values?.length !== embeddingDimensions || answer.embeddings.length !== 1 || !isOfModel) {
        throw new AppError('MODEL_UNAVAILABLE');
      }
      return { modelId: answer.modelId, vector: values };
    },
  };
}

function unavailable(error: unknown, call: CallContext): AppError {
  const known = AppError.from(error);
  const outOfTime = known.reason === 'DEADLINE_EXCEEDED' && (call.signal.aborted || (call.timeoutMs() ?? 1) < 100);
  return outOfTime || passedOn.has(known.reason) ? known : new AppError('MODEL_UNAVAILABLE', { cause: known });
}
