import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';

/** Takes what programs send to an OpenTelemetry collector (OTLP over HTTP with JSON bodies), and keeps it as it came. */
export interface OtlpReceiver {
  readonly url: string;
  /** What each service has sent, by its `service.name`; a body that names none is under "unknown". */
  received(): ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const bodies = new Map<string, string[]>();
  const server = createServer((request, response) => {
    void buffer(request).then((sent) => {
      const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
      const body = bytes.toString('utf8');
      const service = /"service\.name","value":\{"stringValue":"([^"]+)"/.exec(body)?.[1] ?? 'unknown';
      bodies.set(service, [...(bodies.get(service) ?? []), `${request.url ?? ''}\n${body}`]);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => new Map([...bodies].map(([service, texts]) => [service, texts.join('\n')])),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
