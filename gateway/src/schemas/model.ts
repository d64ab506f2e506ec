import { z } from 'zod';
import { count } from './fields.ts';

/** Models in the form of OpenAI's. */

const example = {
  ...{ id: 'fast', object: 'model', created: 0, owned_by: 'wardstone' },
  wardstone: { modelId: 'wardstone-extractive-1', contextTokens: 32_000, maxOutputTokens: 2_000 },
};

/** A model, by one of the names that it has. */
export const modelSchema = z
  .object({
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
  })
  .meta({ description: 'A model, by one of the names that it has.', examples: [example] });

/** All of them. */
export const modelListSchema = z
  .object({
    object: z.literal('list').meta({ description: 'What this is.' }),
    data: z.array(modelSchema).meta({ description: 'All of them, in one list.' }),
  })
  .meta({
    description: 'The models that may be used here, by every name that they have.',
    examples: [{ object: 'list', data: [example, { ...example, id: 'wardstone-extractive-1' }] }],
  });

/** Names a model in a path, where a slash in it is written `%2F`. */
export const modelParams = z.strictObject({
  model: z
    .string()
    .regex(/^[A-Za-z0-9._:/-]{1,200}$/)
    .meta({ description: '`quality`, `fast`, or an id; a slash in it is written `%2F`.' }),
});
