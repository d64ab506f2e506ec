/** Announcements of changed tenants: one connection that listens for the whole process. */
import type { Database } from '@wardstone/db';
import type { TenantChanges } from '../ports.ts';

/** Channel of the trigger in the migration; the payload is a tenant's id. */
const channel = 'wardstone_tenant';

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Listener = Parameters<TenantChanges['subscribe']>[0];

export interface ListeningTenantChanges extends TenantChanges {
  close(): Promise<void>;
}

export async function listenForTenants(database: Pick<Database, 'listen'>): Promise<ListeningTenantChanges> {
  const listeners = new Set<Listener>();
  const stop = await database.listen(
    channel,
    (tenantId) => {
      // Every role of the server may notify every channel: what is no id comes from nobody.
      if (!uuidPattern.test(tenantId)) return;
      for (const { onChange } of listeners) onChange(tenantId);
    },
    {
      onReconnect: () => {
        for (const { onGap } of [...listeners]) onGap();
      },
    },
  );
  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: stop,
  };
}
