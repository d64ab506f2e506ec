import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { newSecret, readJson, writeJson } from '../setup/files.ts';

const tenantSchema = z.strictObject({ id: z.uuid(), slug: z.string(), displayName: z.string() });
const userSchema = z.strictObject({
  username: z.string(),
  password: z.string(),
  subject: z.string(),
  tenantId: z.uuid().optional(),
  roles: z.array(z.string()).min(1),
});
const clientSchema = z.strictObject({
  clientId: z.string(),
  clientSecret: z.string(),
  tenantId: z.uuid(),
  roles: z.array(z.string()).min(1),
});
const accountsSchema = z.strictObject({
  tenants: z.array(tenantSchema),
  users: z.array(userSchema),
  clients: z.array(clientSchema),
});

/** A seeded tenant; its id is a UUIDv7 made at set-up. */
export type SeededTenant = z.infer<typeof tenantSchema>;
/** A seeded person with a random password made at set-up. */
export type SeededUser = z.infer<typeof userSchema>;
/** A team's program: client credentials with a random secret made at set-up. */
export type SeededClient = z.infer<typeof clientSchema>;
/** Everyone whom the development sign-in knows. */
export type Accounts = z.infer<typeof accountsSchema>;

/** Client of the console and of programs that sign in as a person: public, authorization code with PKCE. */
export const consoleClientId = 'wardstone-console';

const seededTenants = [
  { slug: 'north', displayName: 'North Clinic' },
  { slug: 'lakeside', displayName: 'Lakeside Hospital' },
];
const tenantRoles = ['tenant_admin', 'clinician', 'analyst', 'builder', 'auditor'];

/** The file that holds users' passwords and clients' secrets, readable by its owner only. */
export function accountsFile(dir: string): string {
  return path.join(dir, 'accounts.json');
}

/** The accounts in `dir`, made on first use: two tenants, a user for each role, and a program of each tenant's team. */
export async function ensureAccounts(dir: string): Promise<Accounts> {
  const file = accountsFile(dir);
  const known = await readJson(file);
  if (known !== undefined) return accountsSchema.parse(known);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const accounts = newAccounts();
  await writeJson(file, accounts);
  return accounts;
}

/** The accounts in a file. Thrown: Error when there is none. */
export async function readAccounts(file: string): Promise<Accounts> {
  return accountsSchema.parse(await readJson(file), { error: () => `${file} holds no accounts` });
}

function newAccounts(): Accounts {
  const tenants = seededTenants.map((tenant) => ({ id: uuidv7(), ...tenant }));
  const platformAdmin: SeededUser = {
    username: 'platform-admin',
    password: newSecret(),
    subject: `user-${uuidv7()}`,
    roles: ['platform_admin'],
  };
  const users = tenants.flatMap((tenant) =>
    tenantRoles.map((role) => ({
      username: `${tenant.slug}-${role.replace('_', '-')}`,
      password: newSecret(),
      subject: `user-${uuidv7()}`,
      tenantId: tenant.id,
      roles: [role],
    })),
  );
  const clients = tenants.map((tenant) => ({
    clientId: `team-${tenant.slug}`,
    clientSecret: newSecret(),
    tenantId: tenant.id,
    roles: ['builder'],
  }));
  return { tenants, users: [platformAdmin, ...users], clients };
}

/** The user of that name. Thrown: Error naming the users there are. */
export function userNamed(accounts: Accounts, username: string): SeededUser {
  const user = accounts.users.find((candidate) => candidate.username === username);
  if (user !== undefined) return user;
  throw new Error(`No user ${username}. There are: ${accounts.users.map((known) => known.username).join(', ')}`);
}
