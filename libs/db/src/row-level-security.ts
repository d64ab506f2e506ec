/** Every write privilege that a tenant table may need; TRUNCATE is never one, it passes by row-level security. */
const grantable = new Set(['select', 'insert', 'update', 'delete']);

/** The tenant of the transaction. The setting is '' after the first transaction on a connection, hence the nullif. */
const currentTenant = `nullif(current_setting('app.tenant_id', true), '')::uuid`;

/**
 * SQL that binds a table with a `tenant_id uuid` column to the tenant of the transaction: row-level security is enabled
 * and forced (the owner is bound too), one policy covers reading and writing, and the application role gets the grants.
 *
 * `grants` is a list such as 'select, insert'. `appRole` comes from {@link migrationRoles}.
 * Thrown: TypeError for a name or grant that is not a plain one.
 */
export function tenantTable(table: string, appRole: string, grants: string): string[] {
  const [name, role] = [identifier(table), identifier(appRole)];
  const privileges = grants.split(',').map((grant) => grant.trim().toLowerCase());
  for (const privilege of privileges) {
    if (!grantable.has(privilege)) throw new TypeError(`not a grant for a tenant table: ${privilege}`);
  }
  return [
    `alter table ${name} enable row level security`,
    `alter table ${name} force row level security`,
    `create policy ${identifier(`${table}_tenant`)} on ${name} for all to ${role}
       using (tenant_id = ${currentTenant}) with check (tenant_id = ${currentTenant})`,
    `revoke all on ${name} from public`,
    `grant ${privileges.join(', ')} on ${name} to ${role}`,
  ];
}

/** What {@link idsOnlyFunction} makes. */
export interface IdsOnlyFunctionOptions {
  /** Name of the function. */
  readonly name: string;
  /** Schema that the function and its tables live in; its search path is fixed to it. */
  readonly schema: string;
  /** Arguments in SQL, for example `older_than interval, max_rows int`. */
  readonly args: string;
  /** Columns of the result in SQL; ids, versions and times only, for example `tenant_id uuid, document_id uuid`. */
  readonly returns: string;
  /** One SQL select over the tables. */
  readonly body: string;
  /** Tables with forced row-level security that the owner has to read for it. */
  readonly tables: readonly string[];
  /** From {@link migrationRoles}. */
  readonly ownerRole: string;
  /** From {@link migrationRoles}. */
  readonly appRole: string;
}

const idColumn = /^[a-z_]+ (uuid|int|integer|bigint|timestamptz)$/;

/**
 * SQL for the one way in which a service sees across tenants: a SECURITY DEFINER function of the owner that returns ids
 * only, so that a reconciler finds work without being able to read a tenant's rows. The owner gets a policy for
 * selecting, since row-level security is forced on it as well.
 */
export function idsOnlyFunction(options: IdsOnlyFunctionOptions): string[] {
  const owner = identifier(options.ownerRole);
  for (const column of options.returns.split(',')) {
    if (!idColumn.test(column.trim())) throw new TypeError(`an ids-only function returns no such column: ${column}`);
  }
  const argumentTypes = options.args
    .split(',')
    .filter((argument) => argument.trim() !== '')
    .map((argument) => argument.trim().split(/\s+/).slice(1).join(' '))
    .join(', ');
  const signature = `${identifier(options.name)}(${argumentTypes})`;
  return [
    ...options.tables.map(
      (table) =>
        `create policy ${identifier(`${table}_owner_reads`)} on ${identifier(table)} for select to ${owner} using (true)`,
    ),
    `create function ${identifier(options.name)}(${options.args}) returns table (${options.returns})
       language sql stable security definer set search_path = ${identifier(options.schema)}, pg_temp
       as $ids$ ${options.body} $ids$`,
    `revoke all on function ${signature} from public`,
    `grant execute on function ${signature} to ${identifier(options.appRole)}`,
  ];
}

/** A plain SQL identifier, quoted. Thrown: TypeError for any other. */
export function identifier(name: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name)) throw new TypeError(`not a plain SQL name: ${name}`);
  return `"${name}"`;
}
