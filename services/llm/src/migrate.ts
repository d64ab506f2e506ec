/** Brings the schema `llm` up to date; run with the owner's role before the service starts. */
import { fields, readConfig } from '@wardstone/config';
import { migrate } from '@wardstone/db';
import { z } from 'zod';
import { migrations } from './db/migrations.ts';

const config = readConfig(
  z.object({
    WARDSTONE_MIGRATION_DATABASE_URL: fields.postgresUrl,
    /** Role that the service runs with. */
    WARDSTONE_APP_ROLE: fields.text.default('wardstone_llm'),
  }),
  process.env,
);
await migrate({
  ownerUrl: config.WARDSTONE_MIGRATION_DATABASE_URL,
  schema: 'llm',
  appRole: config.WARDSTONE_APP_ROLE,
  migrations,
});
