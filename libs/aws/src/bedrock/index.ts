export { inBedrock, modelJson, openConverseStream, type CallBounds, type StreamBounds } from './calls.ts';
export { createBedrockAgentRuntime, createBedrockRuntime, type BedrockClientOptions } from './clients.ts';
export { askedPauseMs, bedrockError, bedrockStreamError } from './errors.ts';
export { type CircuitOptions, type CircuitPosition, circuitValues } from './circuit.ts';
export { createModelGuard, type GuardedCall, type ModelGuard, type ModelGuardOptions } from './guard.ts';
