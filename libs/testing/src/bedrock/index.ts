export { startBedrockDouble, type BedrockDouble, type BedrockDoubleOptions } from './double.ts';
export { textAnswer, toolAnswer, type TextAnswerOptions } from './converse.ts';
export { bedrockErrors, BedrockRefusal, type BedrockErrorType, type BedrockStreamException } from './errors.ts';
export { guardrailIntervention } from './rank.ts';
export type { SigningCredentials } from './signature.ts';
export type {
  BedrockCall,
  BedrockFault,
  BedrockOperation,
  BedrockRequest,
  ConverseEvent,
  ConverseHandler,
  FaultChoice,
  InvokeAnswer,
  InvokeHandler,
  Json,
  JsonHandler,
  TokenUsage,
} from './types.ts';
