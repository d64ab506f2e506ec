import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { repositoryDir } from '@wardstone/local/platform/layout';
import type { Stack } from './stack.ts';

const program = path.join(repositoryDir, 'services/audit/src/verify-chain/main.ts');

/**
 * Verifies every audit chain of the platform with the program that operators have, and gives its report: chain to verdict.
 * Thrown: Error with the report when a chain is broken.
 */
export async function verifyAuditChains(stack: Stack): Promise<ReadonlyMap<string, string>> {
  const env = { WARDSTONE_DATABASE_URL: stack.platform.databases.app('audit') };
  const { stdout } = await promisify(execFile)(process.execPath, [program], { env, timeout: 60_000 });
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(': ', 2) as [string, string]),
  );
}
