import { z } from 'zod';
import { count } from './fields.ts';

/** How far one service is with a tenant's data. */
export const workProgressSchema = z
  .object({
    holder: z.string().meta({ description: 'Service whose rows or objects they are.' }),
    done: z.boolean().meta({ description: 'Whether it is finished.' }),
    documentsDone: count.meta({ description: 'Documents finished so far.' }),
    documentsLeft: count.meta({ description: 'Documents left when it last reported.' }),
  })
  .meta({
    description: "How far one service is with a tenant's data.",
    examples: [{ holder: 'retrieval', done: false, documentsDone: 120, documentsLeft: 80 }],
  });
