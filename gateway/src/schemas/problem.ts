import { reasons } from '@wardstone/rpc';
import { z } from 'zod';

/** A problem as clients of OpenAI's API read it. */
export const openAiErrorSchema = z
  .object({
    message: z.string().meta({ description: 'What was wrong, in words, with the fields that were.' }),
    type: z.string().meta({ description: "The same as the problem's `type`." }),
    param: z.string().nullable().meta({ description: 'The first field that was wrong; null when there is none.' }),
    code: z.string().meta({ description: 'The same as `reason`.' }),
  })
  .meta({ description: "Where clients of OpenAI's API look; of the operations in its form alone." });

/** RFC 9457 problem details, as every refusal and failure of the gateway is written. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'URI of the kind of problem; stable, one per reason.' }),
    title: z.string().meta({ description: 'What kind of problem it is, in words; the same for every occurrence.' }),
    status: z.int().meta({ description: 'HTTP status.' }),
    detail: z.string().optional().meta({ description: 'What was wrong this time. Never holds content.' }),
    reason: z.string().meta({ description: 'Stable name of the problem, to program against.' }),
    requestId: z.string().meta({ description: 'The same as the X-Request-Id header; name it when you ask for help.' }),
    errors: z
      .array(
        z.object({
          field: z.string().meta({ description: 'Path of the field, for example `documentIds.0`.' }),
          detail: z.string().meta({ description: 'What is wrong with it. Never quotes it.' }),
        }),
      )
      .optional()
      .meta({ description: 'The fields that were wrong.' }),
    error: openAiErrorSchema.optional(),
  })
  .meta({
    description: 'RFC 9457 problem details.',
    examples: [
      {
        type: 'urn:wardstone:problem:INVALID_ARGUMENT',
        title: reasons.INVALID_ARGUMENT.message,
        status: reasons.INVALID_ARGUMENT.status,
        reason: 'INVALID_ARGUMENT',
        requestId: '01970000-0000-7000-8000-00000000000a',
        errors: [{ field: 'topK', detail: 'is more than 100' }],
      },
    ],
  });

/** A problem as it is sent. */
export type Problem = z.infer<typeof problemSchema>;
