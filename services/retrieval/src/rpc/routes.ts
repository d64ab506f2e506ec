import type { ConnectRouter } from '@connectrpc/connect';
import { RetrievalService } from '@wardstone/rpc/gen/wardstone/retrieval/v1/retrieval_pb';
import type { Deps } from '../ports.ts';
import { removeDocument } from './remove-document.ts';
import { search } from './search.ts';

/** Every RPC of this service. */
export function routes(deps: Deps) {
  return (router: ConnectRouter): void => {
    router.service(RetrievalService, { search: search(deps), removeDocument: removeDocument(deps) });
  };
}
