import type { Telemetry } from '@wardstone/telemetry';
import type { DependencyChecks } from './dependency-checks.ts';
import type { NodeListener } from './one-port.ts';

/**
 * GET /metrics, /livez and /readyz, for machines on the private network: they need no token and say nothing about tenants.
 * Anything else is not found, in words that a gRPC client understands too.
 */
export function createOperations(options: {
  readonly telemetry: Telemetry;
  readonly checks: DependencyChecks;
  readonly draining: AbortSignal;
}): NodeListener {
  const pages: Record<string, () => Promise<{ status: number; type: string; body: string }>> = {
    '/metrics': async () => {
      const body = await options.telemetry.metrics.metrics();
      return { status: 200, type: options.telemetry.metrics.contentType, body };
    },
    '/livez': () => Promise.resolve(json(200, { status: 'alive' })),
    '/readyz': async () => {
      const { serving, dependencies } = await options.checks.report();
      if (options.draining.aborted) return json(503, { status: 'draining', dependencies });
      return json(serving ? 200 : 503, { status: serving ? 'ready' : 'not ready', dependencies });
    },
  };

  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    const answer = (status: number, headers: Record<string, string>, body: string) => {
      request.resume();
      if (response.headersSent || response.destroyed) return;
      response.statusCode = status;
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      // Without a body the headers end the stream, which is how gRPC wants a status that comes alone.
      if (body === '' || request.method === 'HEAD') response.end();
      else response.end(body);
    };
    if (!page && request.headers['content-type']?.startsWith('application/grpc')) {
      answer(200, { 'content-type': 'application/grpc', 'grpc-status': '12', 'grpc-message': 'unknown method' }, '');
    } else if (!page) {
      answer(404, {}, '');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(405, { allow: 'GET, HEAD' }, '');
    } else {
      page().then(
        ({ status, type, body }) => answer(status, { 'content-type': type, 'cache-control': 'no-store' }, body),
        () => answer(500, {}, ''),
      );
    }
  };
}

function json(status: number, value: object): { status: number; type: string; body: string } {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}
