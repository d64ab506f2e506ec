import type { WorkProgress } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';

/** How far one service is, as the API shows it. */
export function toWorkProgress({ holder, done, documentsDone, documentsLeft }: WorkProgress) {
  return { holder, done, documentsDone: Number(documentsDone), documentsLeft: Number(documentsLeft) };
}
