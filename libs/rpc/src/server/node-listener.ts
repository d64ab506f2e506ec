import type { ConnectRouter } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { NodeListener } from './one-port.ts';

/**
 * Serves the router's methods, and everything else by the fallback. Does what connectNodeAdapter does, but for two things:
 * a request whose Host or path does not make a URL is answered with 400 (the adapter lets the exception escape into the
 * event loop, where it ends the process), and errors of connections that broke are not printed to the console.
 */
export function createNodeListener(router: ConnectRouter, fallback: NodeListener): NodeListener {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get((request.url ?? '').split('?', 1)[0] ?? '');
    if (!handler) return fallback(request, response);
    let universal;
    try {
      universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    } catch {
      request.resume();
      response.statusCode = 400;
      response.end();
      return;
    }
    handler(universal)
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // The call's record says how it ended; what is left to fail is writing to a peer that hung up.
      .catch(() => response.destroy());
  };
}
