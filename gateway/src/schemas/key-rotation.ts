import { z } from 'zod';
import { count, id, instant } from './fields.ts';
import { tenantParams } from './tenant.ts';
import { workProgressSchema } from './work-progress.ts';

const keyRotationExample = {
  rotationId: '01970000-0000-7000-8000-000000000004',
  tenantId: '01970000-0000-7000-8000-000000000003',
  keyVersion: 2,
  state: 'RESEALING',
  cause: 'REQUESTED',
  requestedBy: 'user-1',
  startedAt: '2026-11-22T09:00:00.000Z',
  progress: [
    { holder: 'ingestion', done: true, documentsDone: 200, documentsLeft: 0 },
    { holder: 'llm', done: true, documentsDone: 12, documentsLeft: 0 },
    { holder: 'retrieval', done: false, documentsDone: 120, documentsLeft: 80 },
  ],
};

/** A rotation of a tenant's data key. */
export const keyRotationSchema = z
  .object({
    rotationId: id.meta({ description: "The rotation's id." }),
    tenantId: id.meta({ description: 'Tenant whose key it is.' }),
    keyVersion: count.meta({ description: 'Version that new writes use since then.' }),
    state: z.enum(['RESEALING', 'COMPLETED']).meta({
      description: [
        '- RESEALING: new writes use the new version; what is older is being sealed again.',
        '- COMPLETED: nothing is left under older versions; they are retired.',
      ].join('\n'),
    }),
    cause: z.enum(['REQUESTED', 'USE_LIMIT']).meta({
      description: [
        '- REQUESTED: an administrator asked for it.',
        "- USE_LIMIT: the key's uses came near the bound of AES-GCM (NIST SP 800-38D, 8.3).",
      ].join('\n'),
    }),
    requestedBy: z.string().meta({ description: 'Subject of who asked for it.' }),
    startedAt: instant.meta({ description: 'When it was begun.' }),
    completedAt: instant.optional().meta({ description: 'When older versions were retired; absent until then.' }),
    progress: z
      .array(workProgressSchema)
      .meta({ description: 'How far each service is that holds sealed data of the tenant.' }),
  })
  .meta({ description: "A rotation of a tenant's data key.", examples: [keyRotationExample] });

/** Names a rotation. */
export const keyRotationParams = tenantParams.extend({
  rotationId: id.meta({ description: "The rotation's id.", examples: [keyRotationExample.rotationId] }),
});
