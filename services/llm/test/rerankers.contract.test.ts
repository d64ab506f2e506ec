import { asRetrieved } from '../src/domain/as-retrieved.ts';
import { createLocalReranker } from '../src/domain/local-reranker.ts';
import { useBedrockReranker } from './support/bedrock-reranker.ts';
import { findsTheBest, reranks } from './support/reranker-contract.ts';

describe('rerankers: the contract', () => {
  describe('as retrieved', () => {
    reranks(() => asRetrieved);
  });

  describe('local', () => {
    reranks(createLocalReranker);
    findsTheBest(createLocalReranker);
  });

  describe('Bedrock', () => {
    const suite = useBedrockReranker();
    reranks(() => suite.reranker());
    findsTheBest(() => suite.reranker());
  });
});
