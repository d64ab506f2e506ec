// Last container to run: creates the seeded tenants through the gateway, as the platform's administrator would.
import { ensureAccounts } from '../sign-in/accounts.ts';
import { ensureTenants } from '../platform/tenants.ts';

const [signInDir, issuer, gatewayUrl] = process.argv.slice(2);
if (signInDir === undefined || issuer === undefined || gatewayUrl === undefined) {
  throw new Error('usage: tenants.ts SIGN_IN_FOLDER ISSUER GATEWAY_URL');
}
await ensureTenants(gatewayUrl, issuer, await ensureAccounts(signInDir));
