import { z } from 'zod';
import { instant, name } from './fields.ts';
import { usd } from './usd.ts';

const guardrailExample = { guardrailId: 'a1b2c3d4e5f6', version: '3' };

const newSettingsExample = {
  model: 'quality',
  citationPolicy: 'DROP',
  completionsEnabled: false,
  monthlyBudgetUsd: 250,
  rerank: true,
  guardrail: guardrailExample,
};

const policyMeta = {
  description: [
    'What becomes of a statement that the sources do not bear out:',
    '- MARK: it is sent, marked as unsupported.',
    '- DROP: it is left out.',
    '- REFUSE: the whole answer is refused.',
  ].join('\n'),
};
const citationPolicy = z.enum(['MARK', 'DROP', 'REFUSE']).meta(policyMeta);

const modelDescription =
  'Which model answers where a question names none: `quality`, `fast`, or the id of one that may be used here.';
const completionsDescription = 'Whether the OpenAI-compatible API may be used.';
const budgetDescription =
  'What answers may cost in a calendar month (UTC), in US dollars to the millionth; 0: without a bound.';
const rerankDescription = 'Whether what was found is put into a better order before it is answered from.';
const guardrailDescription =
  'Guardrail of Amazon Bedrock that questions and answers pass, beside the installation’s; null: none.';

/** How a tenant is answered. */
export const answerSettingsSchema = z
  .object({
    model: z.string().meta({ description: modelDescription }),
    citationPolicy,
    completionsEnabled: z.boolean().meta({ description: completionsDescription }),
    monthlyBudgetUsd: usd.meta({ description: budgetDescription }),
    rerank: z.boolean().meta({ description: rerankDescription }),
    guardrail: z
      .object({
        guardrailId: z.string().meta({ description: 'Its id or ARN.' }),
        version: z.string().meta({ description: 'Its version: a number, or DRAFT.' }),
      })
      .nullable()
      .meta({ description: guardrailDescription }),
    etag: z.string().meta({ description: 'The same as the ETag header, without its quotes.' }),
    updatedAt: instant.nullable().meta({ description: 'When they were changed last; null where they never were.' }),
  })
  .meta({
    description: 'How a tenant is answered.',
    examples: [{ ...newSettingsExample, etag: '4', updatedAt: '2026-11-22T09:00:00.000Z' }],
  });

const maxBudgetUsd = 1_000_000_000;

/** Settings to put in place of those that are. */
export const newAnswerSettingsSchema = z
  .strictObject({
    model: name({ min: 1, max: 200 })
      .regex(/^[A-Za-z0-9._:/-]+$/, 'is not the name of a model')
      .meta({ description: modelDescription }),
    citationPolicy,
    completionsEnabled: z
      .boolean()
      .default(false)
      .meta({ description: `${completionsDescription} Not if not given.` }),
    monthlyBudgetUsd: usd
      .max(maxBudgetUsd)
      .default(0)
      .meta({ description: `${budgetDescription} 0 if not given.` }),
    rerank: z
      .boolean()
      .default(false)
      .meta({ description: `${rerankDescription} Not if not given.` }),
    guardrail: z
      .strictObject({
        guardrailId: z
          .string()
          .max(119)
          .regex(/^(([a-z0-9]+)|(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail\/[a-z0-9]+))$/, 'is none')
          .meta({ description: 'Its id or ARN.' }),
        version: z
          .string()
          .regex(/^(([1-9][0-9]{0,7})|(DRAFT))$/, 'is no version')
          .meta({ description: 'Its version: a number, or DRAFT.' }),
      })
      .nullable()
      .default(null)
      .meta({ description: `${guardrailDescription} None if not given.` }),
  })
  .meta({ description: 'Settings, all of them.', examples: [newSettingsExample] });
