import type { ConnectRouter } from '@connectrpc/connect';
import { LlmService } from '@wardstone/rpc/gen/wardstone/llm/v1/llm_pb';
import type { Deps } from '../ports.ts';
import { answer } from './answer.ts';

/** Every RPC of this service. */
export function routes(deps: Deps) {
  return (router: ConnectRouter): void => {
    router.service(LlmService, { answer: answer(deps) });
  };
}
