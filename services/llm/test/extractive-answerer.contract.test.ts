import { createExtractiveAnswerer } from '../src/domain/extractive-answerer.ts';
import { answersLikeAModel } from './support/answer-model-contract.ts';

describe('extractive answerer: the contract of a model', () => {
  answersLikeAModel(createExtractiveAnswerer);
});
