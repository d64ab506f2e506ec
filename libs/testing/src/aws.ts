/** For tests of AWS adapters: a server that this project did not write, and AWS's errors as they come over the wire. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The region that tests sign for. */
export const testAwsRegion = 'us-east-1';

/**
 * A suite over an S3 and KMS server, whose address is in WARDSTONE_TEST_AWS_ENDPOINT. Without one a single pending test
 * stands for the whole of it, so that a report says what was not tested.
 */
export function awsSuite(title: string, body: (endpoint: string) => void): void {
  const endpoint = process.env['WARDSTONE_TEST_AWS_ENDPOINT'] ?? '';
  describe(title, () => {
    if (endpoint === '') {
      it('is not run: WARDSTONE_TEST_AWS_ENDPOINT names no server');
      return;
    }
    useTestAwsCredentials();
    body(endpoint);
  });
}

/** What the SDK's default chain finds while the suite runs; nothing of the machine's own is looked at. */
const environment: Readonly<Record<string, string | undefined>> = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_SESSION_TOKEN: undefined,
  AWS_PROFILE: undefined,
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
};

/** Registers hooks that give the suite credentials, and take them back. */
export function useTestAwsCredentials(): void {
  const before: Record<string, string | undefined> = {};
  const set = (values: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  };
  globalThis.before(() => {
    for (const name of Object.keys(environment)) before[name] = process.env[name];
    set(environment);
  });
  after(() => {
    set(before);
  });
}

/** A request as it came. */
export interface WireRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** The operation, of services that are called with JSON: `Decrypt`. */
  readonly operation: string;
}

/** Answers a request, or breaks off. */
export type WireAnswer = (response: ServerResponse, request: WireRequest) => void;

export interface WireServer {
  readonly endpoint: string;
  /** What came, in order. */
  readonly requests: WireRequest[];
  close(): Promise<void>;
}

/** A server in place of an AWS service that answers as told; for what a faithful server would not do when asked. */
export async function startWireServer(answer: WireAnswer): Promise<WireServer> {
  const requests: WireRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming;
      const operation = String(headers['x-amz-target'] ?? '').replace(/^.*\./, '');
      const request = { method, url, headers, body: Buffer.concat(chunks), operation };
      requests.push(request);
      answer(response, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    requests,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** An error of a service that is called with JSON, such as KMS. */
export function jsonError(status: number, type: string, message = ''): WireAnswer {
  return (response) => {
    response.writeHead(status, { 'Content-Type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify({ __type: type, message }));
  };
}

/** An error of S3; to a HEAD request it has no body, as in life. */
export function xmlError(status: number, code: string, message = ''): WireAnswer {
  return (response, { method }) => {
    response.writeHead(status, { 'Content-Type': 'application/xml' });
    const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
    response.end(method === 'HEAD' ? undefined : body);
  };
}

/** Breaks the connection before an answer. */
export const connectionReset: WireAnswer = (response) => {
  response.socket?.resetAndDestroy();
};
