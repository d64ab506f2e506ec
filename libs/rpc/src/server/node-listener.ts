import { constants } from 'node:http2';
import { type ConnectRouter, createContextValues } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { type ResponseBound, setResponseBound } from '../interceptors/response-bound.ts';
import type { NodeListener } from './one-port.ts';
import type { ServerLimits } from './types.ts';

type Request = Parameters<NodeListener>[0];
type Response = Parameters<NodeListener>[1];

// How long a peer may go on sending a body that nobody reads, so that it sees the answer before its stream or connection ends.
const unreadBodyMs = 1_000;

/**
 * Serves the router's methods, and everything else by the fallback. Does what connectNodeAdapter does, but for three things:
 * a response ends soon after its call's deadline even when nobody reads it, a request whose Host or path does not make a URL
 * is answered with 400 (the adapter lets the exception escape into the event loop, where it ends the process), and errors of
 * connections that broke are not printed to the console.
 */
export function createNodeListener(
  router: ConnectRouter,
  fallback: NodeListener,
  limits: Pick<ServerLimits, 'defaultTimeoutMs' | 'farewellMs'>,
): NodeListener {
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    endUnreadBody(request, response);
    const bound = boundResponse(response, limits.farewellMs);
    // Holds for what never comes to the gate, which says what the call has instead.
    bound(limits.defaultTimeoutMs);
    const handler = handlers.get((request.url ?? '').split('?', 1)[0] ?? '');
    if (!handler) return fallback(request, response);
    let universal;
    try {
      const values = createContextValues();
      setResponseBound(values, bound);
      universal = universalRequestFromNodeRequest(request, response, undefined, values);
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

/**
 * Ends the request with its response. A call that is refused before its body was read would otherwise keep its stream (and
 * the memory of its connection, and a drain) until the peer gives up. What still comes is thrown away for a moment, so that
 * the peer can finish and read the answer; then the stream is reset without an error (RFC 9113, 8.1), or the HTTP/1
 * connection closed.
 */
function endUnreadBody(request: Request, response: Response): void {
  const isHttp2 = 'stream' in request;
  // On HTTP/2 the response's own events come only when the stream is gone.
  (isHttp2 ? request.stream : response).once('finish', () => {
    const incoming = isHttp2 ? request.stream : request;
    if (incoming.readableEnded || incoming.destroyed) return;
    // Not resume(): Connect's iterator still listens for 'readable', and a stream with such a listener does not flow.
    const discard = () => {
      while (request.read() !== null);
    };
    request.on('readable', discard);
    discard();
    // Connect may have destroyed the request already, which leaves the stream behind it paused.
    if (isHttp2) request.stream.on('data', () => request.stream.resume()).resume();
    const timer = setTimeout(() => {
      if (isHttp2) request.stream.close(constants.NGHTTP2_NO_ERROR);
      else request.socket.destroy();
    }, unreadBodyMs);
    incoming.once('end', () => clearTimeout(timer));
    incoming.once('close', () => clearTimeout(timer));
  });
}

/**
 * Ends a response that its peer does not read: Node waits for a flow-control window, or for room in the socket, for as long
 * as the connection lives, and nothing above it moves meanwhile. A peer that only reads slowly has the farewell to take what
 * is on its way and the status after it.
 */
function boundResponse(response: Response, farewellMs: number): ResponseBound {
  let timer: NodeJS.Timeout | undefined;
  response.once('close', () => clearTimeout(timer));
  return (withinMs) => {
    clearTimeout(timer);
    timer = setTimeout(() => breakOff(response), withinMs + farewellMs);
    // A response alone does not keep a program running that has closed its server.
    timer.unref();
  };
}

function breakOff(response: Response): void {
  if (!('stream' in response)) {
    response.destroy();
    return;
  }
  const { stream } = response;
  // CANCEL is how a server says that the time is up and no status will come.
  stream.close(constants.NGHTTP2_CANCEL);
  // The reset leaves only when the connection takes it; what the stream holds is given back now.
  stream.destroy();
}
