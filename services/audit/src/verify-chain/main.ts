/** Verifies the hash chains in the database, as an operator would: exit 0 all whole, 1 one is broken, 2 not verified. */
import { parseArgs } from 'node:util';
import { ConfigError, fields, readConfig } from '@wardstone/config';
import { openDatabase } from '@wardstone/db';
import { AppError } from '@wardstone/rpc';
import { z } from 'zod';
import { createChainReader } from '../adapters/postgres-chains.ts';
import { auditEventEntity } from '../db/entities.ts';
import type { ChainHead, Verification } from '../domain/hash-chain.ts';
import type { Chain } from '../ports.ts';
import { verifyWholeChain } from './verify-whole-chain.ts';

const usage = `usage: node src/verify-chain/main.ts [--tenant UUID|platform [--expected-head SEQUENCE:HASH]]
  WARDSTONE_DATABASE_URL (or WARDSTONE_DATABASE_URL_FILE): the audit service's own role
  --tenant         one chain; every chain unless given
  --expected-head  a head of that chain that was noted elsewhere, as this program prints it`;

const optionsSchema = z
  .strictObject({
    tenant: z.union([z.literal('platform'), z.uuid()]).optional(),
    'expected-head': z
      .string()
      .regex(/^[1-9]\d{0,17}:[0-9a-f]{64}$/)
      .transform(headOf)
      .optional(),
  })
  .refine((options) => options.tenant !== undefined || options['expected-head'] === undefined);

try {
  process.exitCode = (await verify()) ? 0 : 1;
} catch (error) {
  console.error(explain(error));
  process.exitCode = 2;
}

async function verify(): Promise<boolean> {
  const { tenant, 'expected-head': expectedHead } = readOptions(process.argv.slice(2));
  const database = await openDatabase({
    url: databaseUrl(process.env),
    schema: 'audit',
    entities: [auditEventEntity],
    applicationName: 'verify-chain',
    poolSize: 1,
  });
  try {
    const reader = createChainReader(database);
    const one = tenant === 'platform' ? undefined : tenant;
    const chains = tenant === undefined ? await reader.chains() : [one];
    let whole = true;
    for (const chain of chains) {
      const found = await verifyWholeChain(reader, chain, expectedHead);
      console.log(report(chain, found));
      whole &&= found.ok;
    }
    return whole;
  } finally {
    await database.close();
  }
}

function readOptions(args: string[]): z.infer<typeof optionsSchema> {
  const text = { type: 'string' } as const;
  return optionsSchema.parse(parseArgs({ args, options: { tenant: text, 'expected-head': text } }).values);
}

/** The service's other variables may stand beside it, as they do in its container. */
function databaseUrl(env: NodeJS.ProcessEnv): string {
  const name = 'WARDSTONE_DATABASE_URL';
  const own = { [name]: env[name], [`${name}_FILE`]: env[`${name}_FILE`] };
  return readConfig(z.object({ [name]: fields.postgresUrl }), own)[name] ?? '';
}

function headOf(text: string): ChainHead {
  const [sequence = '', hash = ''] = text.split(':');
  return { sequence: BigInt(sequence), hash: new Uint8Array(Buffer.from(hash, 'hex')) };
}

function report(chain: Chain, found: Verification): string {
  const name = chain ?? 'platform';
  if (!found.ok) return `${name}: BROKEN at sequence ${found.sequence} (${found.problem})`;
  return `${name}: whole, head ${found.head.sequence}:${Buffer.from(found.head.hash).toString('hex')}`;
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof AppError) return `not verified: ${error.reason}`;
  if (error instanceof z.ZodError || (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS')) return usage;
  return String(error);
}
