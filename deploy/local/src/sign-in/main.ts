// The development sign-in as a program of its own: what Cognito is in production.
import { ensureAccounts } from './accounts.ts';
import { readSignInConfig } from './config.ts';
import { startSignInServer } from './server.ts';
import { ensureProviderSecrets } from './signing-keys.ts';

const config = readSignInConfig(process.env);
if (process.env['NODE_ENV'] === 'production') throw new Error('The development sign-in does not run in production.');

const dir = config.WARDSTONE_SIGN_IN_DIR;
const server = await startSignInServer({
  host: config.WARDSTONE_HOST,
  port: config.WARDSTONE_PORT,
  issuer: config.WARDSTONE_SIGN_IN_ISSUER,
  accounts: await ensureAccounts(dir),
  secrets: await ensureProviderSecrets(dir),
  accessTokenTtlS: config.WARDSTONE_SIGN_IN_TOKEN_TTL_S,
});
console.log(`development sign-in: ${server.issuer}`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void server.close().then(() => {
      process.exit(0);
    });
  });
}
