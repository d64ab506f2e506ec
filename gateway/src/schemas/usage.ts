import { z } from 'zod';
import { count } from './fields.ts';
import { usd } from './usd.ts';

const monthPattern = /^[0-9]{4}-(0[1-9]|1[0-2])$/;

/** Which month. */
export const usageQuery = z.strictObject({
  month: z
    .string()
    .regex(monthPattern, 'is not a month, YYYY-MM')
    .optional()
    .meta({ description: 'Calendar month (UTC), YYYY-MM; this one if not given.', examples: ['2026-11'] }),
});

const modelUsageSchema = z
  .object({
    modelId: z.string().meta({ description: 'The model.' }),
    answers: count.meta({ description: 'Answers that it had a part in.' }),
    inputTokens: count.meta({ description: 'Tokens that it read, without those from its cache.' }),
    outputTokens: count.meta({ description: 'Tokens that it wrote.' }),
    cacheReadTokens: count.meta({ description: 'Tokens that it read from its prompt cache.' }),
    cacheWriteTokens: count.meta({ description: 'Tokens that it wrote to its prompt cache.' }),
    costUsd: usd.meta({ description: 'What that cost, in US dollars to the millionth.' }),
  })
  .meta({ description: 'What one model was used for.' });

/** What was used in a month. */
export const usageSchema = z
  .object({
    month: z.string().meta({ description: 'YYYY-MM.' }),
    models: z.array(modelUsageSchema).meta({ description: 'By model.' }),
    costUsd: usd.meta({
      description:
        'What all of them cost, in US dollars to the millionth, and the most that answers may have cost whose end could not be counted.',
    }),
    reservedUsd: usd.meta({ description: 'What answers that are under way may cost at most in all, beside that.' }),
    monthlyBudgetUsd: usd.meta({ description: 'The budget of a month as it is set now; 0: none.' }),
  })
  .meta({
    description: "What a tenant's answers used in a month.",
    examples: [
      {
        month: '2026-11',
        models: [
          {
            modelId: 'wardstone-extractive-1',
            answers: 1204,
            inputTokens: 0,
            outputTokens: 0,
            cacheReadTokens: 0,
            cacheWriteTokens: 0,
            costUsd: 0,
          },
        ],
        costUsd: 0,
        reservedUsd: 0,
        monthlyBudgetUsd: 250,
      },
    ],
  });
