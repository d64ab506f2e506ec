import { fields, readConfig, serviceFields } from '@wardstone/config';
import { z } from 'zod';

const {
  WARDSTONE_SERVICE_JWKS_FILE: _noServiceCallsTheGateway,
  WARDSTONE_REFLECTION: _noRpcIsServed,
  ...common
} = serviceFields;

const schema = z.object({
  ...common,
  WARDSTONE_INGESTION_URL: fields.url,
  WARDSTONE_RETRIEVAL_URL: fields.url,
  WARDSTONE_LLM_URL: fields.url,
  WARDSTONE_TENANT_KEY_URL: fields.url,
  WARDSTONE_AUDIT_URL: fields.url,
  /** /metrics is served on this port, and never beside the API; nowhere when not set. */
  WARDSTONE_METRICS_PORT: fields.port.optional(),
  /** Address under which clients reach the API, for its description; relative when not set. */
  WARDSTONE_PUBLIC_URL: fields.url.optional(),
  /** Browser origins that may call the API; none when not set. */
  WARDSTONE_CORS_ORIGINS: fields.list.default([]),
  /** Addresses of proxies whose X-Forwarded-For is believed, comma-separated; none when not set. */
  WARDSTONE_TRUSTED_PROXIES: fields.list.default([]),
  WARDSTONE_RATE_LIMIT_WINDOW_MS: fields.durationMs.default(60_000),
  WARDSTONE_RATE_LIMIT_REQUESTS: fields.positiveInt.default(600),
  WARDSTONE_RATE_LIMIT_FAILED_SIGN_INS: fields.positiveInt.default(60),
  /** Longest JSON body of an upload, base64 included. */
  WARDSTONE_JSON_UPLOAD_MAX_BYTES: fields.bytes.default(64 * 1024 * 1024),
  /** Most JSON uploads held in memory at once, over all tenants; one tenant has at most half of them, and at least one. */
  WARDSTONE_JSON_UPLOADS_MAX: fields.positiveInt.default(4),
  /** Longest time for the body of a JSON upload to come in. */
  WARDSTONE_JSON_UPLOAD_TIMEOUT_MS: fields.durationMs.default(120_000),
  /** Least pace of an upload's bytes, while the client is waited for: JSON over the body time-out, multipart over the idle one. */
  WARDSTONE_UPLOAD_MIN_BYTES_PER_SECOND: fields.bytes.default(16 * 1024),
  /** Longest file of a multipart upload. */
  WARDSTONE_UPLOAD_MAX_BYTES: fields.bytes.default(2 * 1024 ** 3),
  WARDSTONE_UPLOADS_PER_TENANT: fields.positiveInt.default(16),
  WARDSTONE_STREAMS_PER_TENANT: fields.positiveInt.default(100),
  WARDSTONE_HEARTBEAT_MS: fields.durationMs.default(15_000),
  /** Longest event stream. */
  WARDSTONE_STREAM_MAX_MS: fields.durationMs.default(14 * 60_000),
  /** Longest time for a service to answer a short call. */
  WARDSTONE_CALL_TIMEOUT_MS: fields.durationMs.default(30_000),
  /** Longest time for an answer to be complete. */
  WARDSTONE_ANSWER_TIMEOUT_MS: fields.durationMs.default(120_000),
  /** Longest time for an upload or a download. */
  WARDSTONE_TRANSFER_TIMEOUT_MS: fields.durationMs.default(60 * 60_000),
  WARDSTONE_HEADERS_TIMEOUT_MS: fields.durationMs.default(10_000),
  /** Longest time for a short JSON body to come in. */
  WARDSTONE_BODY_TIMEOUT_MS: fields.durationMs.default(20_000),
  /** Longest silence on a connection with a request going on; more than a heartbeat. */
  WARDSTONE_IDLE_TIMEOUT_MS: fields.durationMs.default(60_000),
});

/** The gateway's configuration: everything it reads from its environment, checked. */
export type Config = Readonly<z.infer<typeof schema>>;

/** Reads the environment. Thrown: ConfigError, listing every problem. */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  return readConfig(schema, env);
}

/** Bounds on time, size and number that the gateway keeps to. */
export interface Limits {
  readonly jsonUploadMaxBytes: number;
  readonly jsonUploads: number;
  readonly jsonUploadTimeoutMs: number;
  readonly uploadMinBytesPerSecond: number;
  readonly uploadMaxBytes: number;
  readonly uploadsPerTenant: number;
  readonly streamsPerTenant: number;
  readonly heartbeatMs: number;
  readonly streamMaxMs: number;
  readonly callTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly transferTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly drainTimeoutMs: number;
}

/** The configured limits, under the names that the code uses. */
export function limitsOf(config: Config): Limits {
  return {
    jsonUploadMaxBytes: config.WARDSTONE_JSON_UPLOAD_MAX_BYTES,
    jsonUploads: config.WARDSTONE_JSON_UPLOADS_MAX,
    jsonUploadTimeoutMs: config.WARDSTONE_JSON_UPLOAD_TIMEOUT_MS,
    uploadMinBytesPerSecond: config.WARDSTONE_UPLOAD_MIN_BYTES_PER_SECOND,
    uploadMaxBytes: config.WARDSTONE_UPLOAD_MAX_BYTES,
    uploadsPerTenant: config.WARDSTONE_UPLOADS_PER_TENANT,
    streamsPerTenant: config.WARDSTONE_STREAMS_PER_TENANT,
    heartbeatMs: config.WARDSTONE_HEARTBEAT_MS,
    streamMaxMs: config.WARDSTONE_STREAM_MAX_MS,
    callTimeoutMs: config.WARDSTONE_CALL_TIMEOUT_MS,
    answerTimeoutMs: config.WARDSTONE_ANSWER_TIMEOUT_MS,
    transferTimeoutMs: config.WARDSTONE_TRANSFER_TIMEOUT_MS,
    headersTimeoutMs: config.WARDSTONE_HEADERS_TIMEOUT_MS,
    bodyTimeoutMs: config.WARDSTONE_BODY_TIMEOUT_MS,
    idleTimeoutMs: config.WARDSTONE_IDLE_TIMEOUT_MS,
    drainTimeoutMs: config.WARDSTONE_DRAIN_TIMEOUT_MS,
  };
}
