import { signIn } from '../sign-in/client.ts';
import { userNamed, type Accounts } from '../sign-in/accounts.ts';

const timeoutMs = 30_000;

/** Creates the seeded tenants through the gateway, as the platform's administrator would; those that exist are left. */
export async function ensureTenants(gatewayUrl: string, issuer: string, accounts: Accounts): Promise<void> {
  const { username, password } = userNamed(accounts, 'platform-admin');
  const token = await signIn({ issuer, username, password });
  for (const tenant of accounts.tenants) {
    const response = await fetch(`${gatewayUrl}/v1/tenants`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ tenantId: tenant.id, displayName: tenant.displayName }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    if (!response.ok && response.status !== 409) {
      throw new Error(
        `The tenant ${tenant.slug} could not be created (HTTP ${response.status}): ${text.slice(0, 500)}`,
      );
    }
  }
}
