import { z } from 'zod';
import { count } from './fields.ts';

/** Models in the form of OpenAI's list. */
export const modelListSchema = z
  .object({
    object: z.literal('list').meta({ description: 'What this is.' }),
    data: z
      .array(
        z.object({
          id: z.string().meta({ description: 'What a request names in `model`: `quality`, `fast`, or an id.' }),
          object: z.literal('model').meta({ description: 'What this is.' }),
          created: z.literal(0).meta({ description: 'Always 0: when a model was made is not known here.' }),
          owned_by: z.literal('wardstone').meta({ description: 'Always the same.' }),
          wardstone: z
            .object({
              modelId: z.string().meta({ description: 'The model that answers to this name now.' }),
              contextTokens: count.meta({ description: 'Tokens that question, sources and answer share.' }),
              maxOutputTokens: count.meta({ description: 'Tokens of an answer at most.' }),
            })
            .meta({ description: "What OpenAI's form has no place for." }),
        }),
      )
      .meta({ description: 'All of them, in one list.' }),
  })
  .meta({
    description: 'The models that may be used here, by every name that they have.',
    examples: [
      {
        object: 'list',
        data: ['fast', 'wardstone-extractive-1'].map((id) => ({
          ...{ id, object: 'model', created: 0, owned_by: 'wardstone' },
          wardstone: { modelId: 'wardstone-extractive-1', contextTokens: 32_000, maxOutputTokens: 2_000 },
        })),
      },
    ],
  });
