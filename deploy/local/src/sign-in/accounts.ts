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
/** Everyone whom the development sign-in knows. */
export type Accounts = z.infer<typeof accountsSchema>;

/** Client of the console and of programs that sign in as a person: public, authorization code with PKCE. */
export const consoleClientId = 'wardstone-console';

const seededTenants = [
  { slug: 'north', displayName: 'North Clinic' },
  { slug: 'lakeside', displayName: 'Lakeside Hospital' },
];
/** The people of each tenant, by what their names end in. Two administrate: an offboarding takes both. */
const tenantUsers = [
  { suffix: 'tenant-admin', role: 'tenant_admin' },
  { suffix: 'tenant-admin-2', role: 'tenant_admin' },
  { suffix: 'clinician', role: 'clinician' },
  { suffix: 'analyst', role: 'analyst' },
  { suffix: 'builder', role: 'builder' },
  { suffix: 'auditor', role: 'auditor' },
];

/** The file that holds users' passwords and clients' secrets, readable by its owner only. */
export function accountsFile(dir: string): string {
  return path.join(dir, 'accounts.json');
}

/**
 * The accounts in `dir`, made on first use: two tenants, users for each role, and a program of each tenant's team. Users that
 * came into the list after the first use are added; everything else stays as it is.
 */
export async function ensureAccounts(dir: string): Promise<Accounts> {
  const file = accountsFile(dir);
  const known = await readJson(file);
  if (known === undefined) await mkdir(dir, { recursive: true, mode: 0o700 });
  const accounts = known === undefined ? newAccounts() : accountsSchema.parse(known);
  const missing = usersOf(accounts.tenants).filter(
    ({ username }) => !accounts.users.some((user) => user.username === username),
  );
  const complete = { ...accounts, users: [...accounts.users, ...missing] };
  if (known === undefined || missing.length > 0) await writeJson(file, complete);
  return complete;
}

/** The accounts in a file. Thrown: Error when there is none. */
export async function readAccounts(file: string): Promise<Accounts> {
  return accountsSchema.parse(await readJson(file), { error: () => `${file} holds no accounts` });
}

/** The tenants, their programs, and who administrates the platform; without the tenants' users. */
function newAccounts(): Accounts {
  const tenants = seededTenants.map((tenant) => ({ id: uuidv7(), ...tenant }));
  const platformAdmin: SeededUser = {
    username: 'platform-admin',
    password: newSecret(),
    subject: `user-${uuidv7()}`,
    roles: ['platform_admin'],
  };
  const clients = tenants.map((tenant) => ({
    clientId: `team-${tenant.slug}`,
    clientSecret: newSecret(),
    tenantId: tenant.id,
    roles: ['builder'],
  }));
  return { tenants, users: [platformAdmin], clients };
}

/** New users for the tenants, each with a password of its own. */
function usersOf(tenants: readonly SeededTenant[]): SeededUser[] {
  return tenants.flatMap((tenant) =>
    tenantUsers.map(({ suffix, role }) => ({
      username: `${tenant.slug}-${suffix}`,
      password: newSecret(),
      subject: `user-${uuidv7()}`,
      tenantId: tenant.id,
      roles: [role],
    })),
  );
}

/** The user of that name. Thrown: Error naming the users there are. */
export function userNamed(accounts: Accounts, username: string): SeededUser {
  const user = accounts.users.find((candidate) => candidate.username === username);
  if (user !== undefined) return user;
  throw new Error(`No user ${username}. There are: ${accounts.users.map((known) => known.username).join(', ')}`);
}
