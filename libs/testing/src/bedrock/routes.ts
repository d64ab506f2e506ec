/** Which operation a request is for. */
import type { Exchange } from './exchange.ts';
import { rerankModel } from './rank.ts';
import type { BedrockOperation, Json } from './types.ts';

export interface Route {
  readonly operation: BedrockOperation;
  readonly model: string;
}

const ofModels: Readonly<Record<string, BedrockOperation>> = {
  invoke: 'InvokeModel',
  converse: 'Converse',
  'converse-stream': 'ConverseStream',
};

/** Undefined when there is no such operation. The model of Rerank stands in its body. */
export function routeOf({ method, path }: Pick<Exchange, 'method' | 'path'>, body: Json): Route | undefined {
  if (method !== 'POST') return undefined;
  const parts = path.replace(/\?.*$/, '').split('/').slice(1).map(decoded);
  const [first, second = '', third = '', fourth = '', fifth] = parts;
  if (first === 'model' && parts.length === 3) {
    const operation = ofModels[third];
    return operation === undefined ? undefined : { operation, model: second };
  }
  if (first === 'rerank' && parts.length === 1) return { operation: 'Rerank', model: rerankModel(body) };
  if (first === 'guardrail' && third === 'version' && fifth === 'apply') {
    return { operation: 'ApplyGuardrail', model: `${second}/${fourth}` };
  }
  return undefined;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
