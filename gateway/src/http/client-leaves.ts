import type { FastifyReply } from 'fastify';

/**
 * A signal that aborts when the client leaves before its answer is complete, or when `draining` does.
 *
 * Fastify's own `request.signal` follows the request, which is over as soon as its body has been read; this one follows
 * the answer.
 */
export function whileAnswering(reply: FastifyReply, draining: AbortSignal): AbortSignal {
  const left = new AbortController();
  const isAnswered = answered(reply);
  reply.raw.once('close', () => {
    if (!isAnswered()) left.abort();
  });
  return AbortSignal.any([left.signal, draining]);
}

/** Tells, from now on, whether the whole answer has been handed to the connection. */
export function answered(reply: FastifyReply): () => boolean {
  let finished = false;
  reply.raw.once('finish', () => {
    finished = true;
  });
  return () => finished;
}
