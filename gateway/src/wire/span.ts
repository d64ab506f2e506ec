import type { Span } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';

/** A span as the API shows it; all zero when the service sent none. */
export function toSpan(span: Span | undefined) {
  const { pageStart = 0, pageEnd = 0, charStart = 0, charEnd = 0 } = span ?? {};
  return { pageStart, pageEnd, charStart, charEnd };
}
