import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import pg from 'pg';
import { createChainReader } from '../src/adapters/postgres-chains.ts';
import { verifyWholeChain } from '../src/verify-chain/verify-whole-chain.ts';
import { content, newTenant } from './support/content.ts';
import { openTestLog, type TestLog } from './support/log.ts';

const program = path.join(import.meta.dirname, '../src/verify-chain/main.ts');

describe('verify-chain, as an operator runs it', function () {
  this.timeout(60_000);
  let test: TestLog;
  let dir: string;
  const tenants = [newTenant(), newTenant()] as const;

  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'wardstone-verify-'));
    test = await openTestLog();
    for (const tenantId of tenants) {
      for (let n = 0; n < 3; n += 1) await test.log.append(tenantId, [content({ tenantId })]);
    }
    await test.log.append(undefined, [content({ tenantId: undefined })]);
  });
  after(async () => {
    await test.drop();
    await rm(dir, { recursive: true });
  });

  async function run(args: readonly string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, [program, ...args], {
      env: { WARDSTONE_DATABASE_URL: test.server.schema('audit').appUrl, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { code: code as number, lines: stdout.trim().split('\n').sort(), stderr };
  }

  async function headOf(tenantId: string | undefined): Promise<string> {
    const last = (await test.chain(tenantId)).at(-1);
    return `${last?.sequence}:${Buffer.from(last?.hash ?? []).toString('hex')}`;
  }

  /** What a superuser could do once the triggers are out of the way. */
  async function tamper(sql: string): Promise<void> {
    const client = new pg.Client(test.server.adminUrl);
    await client.connect();
    try {
      await client.query('set session_replication_role = replica');
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  it('names every chain and its head, and exits 0; the service’s other variables may be set', async () => {
    const { code, lines } = await run([], { WARDSTONE_PORT: '8080' });
    expect(lines).to.deep.equal(
      [
        `${tenants[0]}: whole, head ${await headOf(tenants[0])}`,
        `${tenants[1]}: whole, head ${await headOf(tenants[1])}`,
        `platform: whole, head ${await headOf(undefined)}`,
      ].sort(),
    );
    expect(code).to.equal(0);
  });

  it('verifies one chain, with the address from a file', async () => {
    const file = path.join(dir, 'database-url');
    await writeFile(file, `${test.server.schema('audit').appUrl}\n`);
    const env = { WARDSTONE_DATABASE_URL: '', WARDSTONE_DATABASE_URL_FILE: file };
    const { code, lines } = await run(['--tenant', tenants[1]], env);
    expect([code, lines.length, lines[0]?.startsWith(`${tenants[1]}: whole`)]).to.deep.equal([0, 1, true]);
    expect((await run(['--tenant', 'platform'])).lines).to.deep.equal([
      `platform: whole, head ${await headOf(undefined)}`,
    ]);
  });

  it('tells arguments and a server that make no sense from a broken chain, and never shows the password', async () => {
    expect(await run(['--tenant', 'somebody']))
      .to.include({ code: 2 })
      .and.have.property('stderr')
      .that.contains('usage');
    expect((await run(['--expected-head', `1:${'0'.repeat(64)}`])).code).to.equal(2);
    const { code, stderr } = await run([], { WARDSTONE_DATABASE_URL: 'postgres://audit:secretword@127.0.0.1:1/none' });
    expect(code).to.equal(2);
    expect(stderr).to.contain('DATABASE_UNAVAILABLE').and.not.contain('secretword');
    expect((await run([], { WARDSTONE_DATABASE_URL: '' })).stderr).to.contain('WARDSTONE_DATABASE_URL: is required');
  });

  it('goes through a chain of several pages, and finds a head noted in the middle', async () => {
    const tenantId = newTenant();
    const many = Array.from({ length: 2001 }, () => content({ tenantId }));
    await test.log.append(tenantId, many);
    const reader = createChainReader(test.database);
    const chain = await test.chain(tenantId);
    for (const sequence of [1n, 1000n, 1001n, 2001n]) {
      const noted = chain[Number(sequence) - 1];
      if (noted === undefined) throw new Error('the event was appended');
      expect(await verifyWholeChain(reader, tenantId, noted)).to.deep.include({ ok: true });
      const other = { sequence, hash: new Uint8Array(32) };
      expect(await verifyWholeChain(reader, tenantId, other)).to.include({ ok: false, problem: 'head' });
    }
    const beyond = { sequence: 2002n, hash: new Uint8Array(32) };
    expect(await verifyWholeChain(reader, tenantId, beyond)).to.deep.equal({
      ok: false,
      sequence: 2002n,
      problem: 'head',
    });
    await tamper(`update audit.audit_event set reason = 'none' where tenant_id = '${tenantId}' and sequence = 1500`);
    expect(await verifyWholeChain(reader, tenantId)).to.deep.equal({ ok: false, sequence: 1500n, problem: 'hash' });
  });

  it('exits 1 naming the first sequence that was changed, and the other chains’ heads', async () => {
    const [tenantId] = tenants;
    const head = await headOf(tenantId);
    await tamper(
      `update audit.audit_event set actor_subject = 'nobody' where tenant_id = '${tenantId}' and sequence >= 2`,
    );
    const { code, lines } = await run([]);
    expect(code).to.equal(1);
    expect(lines).to.include(`${tenantId}: BROKEN at sequence 2 (hash)`);
    expect(lines).to.include(`${tenants[1]}: whole, head ${await headOf(tenants[1])}`);

    await tamper(`delete from audit.audit_event where tenant_id = '${tenantId}' and sequence >= 2`);
    expect((await run(['--tenant', tenantId])).code).to.equal(0);
    const cut = await run(['--tenant', tenantId, '--expected-head', head]);
    expect([cut.code, cut.lines]).to.deep.equal([1, [`${tenantId}: BROKEN at sequence 2 (head)`]]);
  });
});
