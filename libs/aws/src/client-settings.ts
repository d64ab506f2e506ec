/** How every AWS client of the platform is made: bounded in time, in attempts and in connections. */

/** What differs between clients. */
export interface AwsClientOptions {
  readonly region: string;
  /** Instead of the service's own address in the region. */
  readonly endpoint?: string | undefined;
  /** From the beginning of a request, its body included, until the head of the answer. */
  readonly requestTimeoutMs: number;
  /** Most connections at a time; further requests wait for one. */
  readonly maxConnections: number;
}

/** Settings that the clients of `@aws-sdk` take. Credentials are not among them: the SDK's default chain finds them. */
export interface AwsClientSettings {
  readonly region: string;
  readonly endpoint?: string;
  readonly retryMode: 'standard';
  readonly maxAttempts: number;
  readonly requestHandler: {
    readonly connectionTimeout: number;
    readonly requestTimeout: number;
    readonly throwOnRequestTimeout: true;
    readonly httpAgent: { readonly maxSockets: number };
    readonly httpsAgent: { readonly maxSockets: number };
  };
}

/** The first attempt and two more, with the pauses of the SDK's standard mode: what lasts longer is the caller's to wait out. */
const maxAttempts = 3;
const connectTimeoutMs = 2_000;

export function awsClientSettings(options: AwsClientOptions): AwsClientSettings {
  const { region, endpoint, requestTimeoutMs, maxConnections } = options;
  const agent = { maxSockets: maxConnections };
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    retryMode: 'standard',
    maxAttempts,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Without it a request that takes too long is but warned of.
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}
