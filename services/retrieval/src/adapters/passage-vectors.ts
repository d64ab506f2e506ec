/** Vectors of passages, through embedding's RPC: by a model that is named, as the pipeline makes them. */
import { platformPrincipal, systemPrincipal } from '@wardstone/access';
import { AppError, asPrincipal, needs, type Reason, type ServiceClient } from '@wardstone/rpc';
import { type EmbeddingService, EmbedKind } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import { embeddingDimensions, isUnit } from '../domain/chunk.ts';
import type { PassageCall, PassageVectors } from '../ports.ts';
import { isNotServed } from './not-served.ts';

const service = 'retrieval';
/** Of a batch: a metered model takes its texts one by one. */
const timeoutMs = 30_000;
const modelsTimeoutMs = 5_000;

/** What a model says of a text, which no repetition changes. */
const ofText: ReadonlySet<Reason> = new Set<Reason>(['MODEL_INPUT_INVALID', 'TEXT_TOO_LARGE']);

/** Whether a text is to blame: what is refused for its title, or for a mistake of ours, says nothing about a passage. */
function isOfText(error: unknown): boolean {
  const { reason, violations } = AppError.from(error);
  return (
    ofText.has(reason) || (reason === 'INVALID_ARGUMENT' && violations.some(({ field }) => /^texts\b/.test(field)))
  );
}

type Client = Pick<ServiceClient<typeof EmbeddingService>, 'embed' | 'getModels'>;

export function createPassageVectors(client: Client): PassageVectors {
  return {
    async currentModel(signal) {
      const options = asPrincipal(platformPrincipal(service), { timeoutMs: modelsTimeoutMs, signal });
      const { current } = await client.getModels({}, options);
      needs(current?.dimensions === embeddingDimensions, 'INTERNAL', {
        message: 'the current model makes vectors that the index does not hold',
      });
      return current.modelId;
    },
    async vectorsOf(call) {
      const vectors: (Float32Array | undefined)[] = [];
      try {
        return await embedOnce(client, call);
      } catch (error) {
        if (isNotServed(error)) return undefined;
        if (!isOfText(error)) throw error;
        if (call.texts.length === 1) return [undefined];
      }
      // One of them is to blame: the others are asked for one by one.
      for (const text of call.texts) {
        const single = await this.vectorsOf({ ...call, texts: [text] });
        if (single === undefined) return undefined;
        vectors.push(...single);
      }
      return vectors;
    },
  };
}

async function embedOnce(client: Client, call: PassageCall): Promise<(Float32Array | undefined)[]> {
  const { tenantId, requestId, modelId, title, texts, signal } = call;
  const { embeddings, modelId: madeBy } = await client.embed(
    { texts: [...texts], title, modelId, kind: EmbedKind.PASSAGE },
    asPrincipal(systemPrincipal(service, tenantId), { requestId, timeoutMs, signal }),
  );
  needs(madeBy === modelId && embeddings.length === texts.length, 'MODEL_UNAVAILABLE');
  return embeddings.map(({ values }) => {
    const vector = Float32Array.from(values);
    return vector.length === embeddingDimensions && isUnit(vector) ? vector : undefined;
  });
}
