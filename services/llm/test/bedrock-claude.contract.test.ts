import { answersLikeAModel } from './support/answer-model-contract.ts';
import { useClaude } from './support/claude.ts';

describe('Claude: the contract of a model', () => {
  const suite = useClaude();
  answersLikeAModel(() => suite.claude());
});
