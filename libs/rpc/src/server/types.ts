import type { ConnectRouter } from '@connectrpc/connect';
import type { Telemetry } from '@wardstone/telemetry';
import type { CallerCheck } from '../principal.ts';

/** Bounds of a server. Loose here; compiled once by totalLimits. */
export interface ServerLimits {
  /** Largest message a server reads; a stream may be any number of them. Default 4 MiB. */
  readonly readMaxBytes: number;
  /** Largest message a server sends. Default 4 MiB. */
  readonly writeMaxBytes: number;
  /** Deadline of a unary call that comes without one. Default 30 s. */
  readonly defaultTimeoutMs: number;
  /** Most time that any call gets, and a stream's deadline when it comes without one. Default 15 min. */
  readonly maxTimeoutMs: number;
  /** How long a caller may take, after its call's deadline, to read what is left of the answer. Default 1 s. */
  readonly farewellMs: number;
  /** Calls at once on one HTTP/2 connection. Default 256. */
  readonly maxConcurrentStreams: number;
  /** Size of a request's headers. Default 16 KiB. */
  readonly maxHeaderBytes: number;
  /** Open connections. Default 4096. */
  readonly maxConnections: number;
  /** How long a new connection may take to say which protocol it speaks, and an HTTP/1 request to send its headers. Default 10 s. */
  readonly headersTimeoutMs: number;
  /** How long a connection may lie idle. Default 5 min. */
  readonly idleTimeoutMs: number;
}

/** What startServer needs. */
export interface ServerOptions {
  /** The service's name, as in its tokens, for example "ingestion". */
  readonly service: string;
  readonly telemetry: Telemetry;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Registers the services. Called once. */
  readonly routes: (router: ConnectRouter) => void;
  readonly callerCheck: CallerCheck;
  /** What the service cannot work without, by name; each check throws when its dependency is down. */
  readonly dependencies: Readonly<Record<string, () => Promise<void>>>;
  /** Whether grpc.reflection.v1 and v1alpha are served. */
  readonly reflection: boolean;
  /** How long calls in flight may go on after close() is called. */
  readonly drainTimeoutMs: number;
  readonly limits?: Partial<ServerLimits> | undefined;
}

/** A server that listens. */
export interface RunningServer {
  readonly port: number;
  /** For clients on this machine, for example `http://127.0.0.1:7101`. */
  readonly url: string;
  /** Drains and stops; resolves when the last connection is gone. Calling it again waits for the same end. */
  close(): Promise<void>;
}

const KiB = 1024;

/** Every limit, with its default where none is given. */
export function totalLimits(limits: Partial<ServerLimits> = {}): ServerLimits {
  return {
    readMaxBytes: 4 * KiB * KiB,
    writeMaxBytes: 4 * KiB * KiB,
    defaultTimeoutMs: 30_000,
    maxTimeoutMs: 15 * 60_000,
    farewellMs: 1_000,
    maxConcurrentStreams: 256,
    maxHeaderBytes: 16 * KiB,
    maxConnections: 4_096,
    headersTimeoutMs: 10_000,
    idleTimeoutMs: 5 * 60_000,
    ...limits,
  };
}
