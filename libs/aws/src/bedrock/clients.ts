/**
 * Clients of Bedrock's runtime. They speak HTTP/2: calls share connections, and an answer that is streamed has one of its own.
 * None repeats a call by itself: `createModelGuard` does, and the two would multiply.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { BedrockAgentRuntimeClient } from '@aws-sdk/client-bedrock-agent-runtime';
import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { AppError } from '@wardstone/rpc';

/** Where a client of Bedrock calls, and what bounds its calls and connections. */
export interface BedrockClientOptions {
  readonly region: string;
  /** Instead of the service's own address in the region. */
  readonly endpoint?: string | undefined;
  /** Longest silence on a call: until the head of its answer, and between two pieces of it. */
  readonly requestTimeoutMs: number;
  /** Until a connection is made, its TLS included; 2 s unless told. */
  readonly connectTimeoutMs?: number;
  /** Calls that share a connection; 64 unless told. */
  readonly maxStreamsPerConnection?: number;
  /** Most connections at a time; a call beyond them is refused with RATE_LIMITED. 256 unless told. */
  readonly maxConnections?: number;
  /** Said in the user agent beside the SDK's own, so that AWS's logs tell who calls: `wardstone-embedding`. */
  readonly userAgent: string;
}

const defaultConnectTimeoutMs = 2_000;
const defaultMaxStreamsPerConnection = 64;
const defaultMaxConnections = 256;
/** A connection on which nothing happens is closed; later than any call on it would have given up. */
const connectionIdleMarginMs = 10_000;

/** For InvokeModel, Converse, ConverseStream and ApplyGuardrail. Credentials come from the SDK's default chain. */
export function createBedrockRuntime(options: BedrockClientOptions): BedrockRuntimeClient {
  return new BedrockRuntimeClient(bedrockSettings(options));
}

/** For Rerank. Credentials come from the SDK's default chain. */
export function createBedrockAgentRuntime(options: BedrockClientOptions): BedrockAgentRuntimeClient {
  return new BedrockAgentRuntimeClient(bedrockSettings(options));
}

function bedrockSettings(options: BedrockClientOptions) {
  const { region, endpoint, requestTimeoutMs, userAgent } = options;
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 1,
    customUserAgent: userAgent,
    // Long-lived API keys, which the SDK would take from the environment before anything else, are not used.
    authSchemePreference: ['sigv4'],
    requestHandler: {
      requestTimeout: requestTimeoutMs,
      sessionTimeout: requestTimeoutMs + connectionIdleMarginMs,
      disableConcurrentStreams: false,
      maxConcurrentStreams: options.maxStreamsPerConnection ?? defaultMaxStreamsPerConnection,
      nodeHttp2ConnectOptions: {
        createConnection: boundedConnections(
          options.maxConnections ?? defaultMaxConnections,
          options.connectTimeoutMs ?? defaultConnectTimeoutMs,
        ),
      },
    },
  };
}

/** The SDK's client of HTTP/2 bounds neither the number of connections nor the time that one takes to come about. */
function boundedConnections(maxConnections: number, connectTimeoutMs: number): (authority: URL) => Socket {
  let open = 0;
  return (authority) => {
    if (open >= maxConnections) throw new AppError('RATE_LIMITED');
    open += 1;
    const host = authority.hostname.replace(/^\[|\]$/g, '');
    const socket = openSocket(authority, host);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error('the connection took too long'), { code: 'ETIMEDOUT' }));
    }, connectTimeoutMs);
    socket.once(authority.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
    });
    socket.once('close', () => {
      clearTimeout(timer);
      open -= 1;
    });
    return socket;
  };
}

function openSocket({ protocol, port }: URL, host: string): Socket {
  if (protocol !== 'https:') return connectTcp({ host, port: Number(port || 80) });
  return connectTls({
    host,
    port: Number(port || 443),
    ALPNProtocols: ['h2'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
}
