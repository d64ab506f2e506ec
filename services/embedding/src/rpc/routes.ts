import type { ConnectRouter } from '@connectrpc/connect';
import { EmbeddingService } from '@wardstone/rpc/gen/wardstone/embedding/v1/embedding_pb';
import type { Deps } from '../ports.ts';
import { embed } from './embed.ts';
import { getModels } from './get-models.ts';

/** Every RPC of this service. */
export function routes(deps: Pick<Deps, 'models' | 'cache' | 'auditor' | 'limits'>) {
  return (router: ConnectRouter): void => {
    router.service(EmbeddingService, { embed: embed(deps), getModels: getModels(deps) });
  };
}
