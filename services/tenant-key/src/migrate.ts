/** Brings schema `tenant_key` up to date, with the owner's role; run before the service starts: `node src/migrate.ts`. */
import { fields, readConfig } from '@wardstone/config';
import { migrate } from '@wardstone/db';
import { z } from 'zod';
import { migrations } from './db/migrations/index.ts';

const config = readConfig(
  z.object({
    WARDSTONE_MIGRATION_DATABASE_URL: fields.postgresUrl,
    /** Role that the service runs with. */
    WARDSTONE_APP_ROLE: fields.text.default('wardstone_tenant_key'),
  }),
  process.env,
);
await migrate({
  ownerUrl: config.WARDSTONE_MIGRATION_DATABASE_URL,
  schema: 'tenant_key',
  appRole: config.WARDSTONE_APP_ROLE,
  migrations,
});
