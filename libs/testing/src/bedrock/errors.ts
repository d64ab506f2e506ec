/** The errors that Bedrock answers with, as its API reference has them. */

/** Every modelled error of the operations that the double knows, with the status that its reference gives. */
export const bedrockErrors = {
  AccessDeniedException: 403,
  BadGatewayException: 502,
  ConflictException: 409,
  DependencyFailedException: 424,
  InternalServerException: 500,
  ModelErrorException: 424,
  ModelNotReadyException: 429,
  ModelStreamErrorException: 424,
  ModelTimeoutException: 408,
  ResourceNotFoundException: 404,
  ServiceQuotaExceededException: 400,
  ServiceUnavailableException: 503,
  ThrottlingException: 429,
  ValidationException: 400,
  // Of every AWS service, before a request comes to Bedrock itself.
  ExpiredTokenException: 403,
  IncompleteSignatureException: 403,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  RequestEntityTooLargeException: 413,
  UnknownOperationException: 404,
  UnrecognizedClientException: 403,
} as const satisfies Readonly<Record<string, number>>;

export type BedrockErrorType = keyof typeof bedrockErrors;

/** Exceptions that ConverseStream sends as an event, after the answer has begun; InvokeModelWithResponseStream knows the last one. */
export type BedrockStreamException =
  | 'internalServerException'
  | 'modelStreamErrorException'
  | 'validationException'
  | 'throttlingException'
  | 'serviceUnavailableException'
  | 'modelTimeoutException';

/** What a handler throws for an answer that is an error. */
export class BedrockRefusal extends Error {
  override readonly name = 'BedrockRefusal';
  readonly type: BedrockErrorType;

  constructor(type: BedrockErrorType, message: string) {
    super(message);
    this.type = type;
  }
}

/** A request that is not what the operation takes. */
export function invalid(message: string): BedrockRefusal {
  return new BedrockRefusal('ValidationException', message);
}
