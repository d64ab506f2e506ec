import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator } from '@bufbuild/protovalidate';
import type { Interceptor } from '@connectrpc/connect';
import { AppError, type FieldViolation } from '../app-error.ts';
import { findMalformed } from '../malformed.ts';
import { wrapIterable } from './wrap-iterable.ts';

const maxViolations = 32;

/**
 * Checks every message of a request against its proto: the protovalidate rules, enum values the proto does not know, and
 * text that is not well-formed Unicode. Violations name fields and rules, never values.
 */
export function validateMessages(): Interceptor {
  const validator = createValidator();

  function check<D extends DescMessage>(schema: D, message: MessageShape<D>): void {
    const result = validator.validate(schema, message);
    // A rule that cannot be evaluated is our fault, and a message that was not checked is not let through.
    if (result.kind === 'error') throw new AppError('INTERNAL', { cause: result.error });
    const broken = result.violations?.map(({ field, message: rule, ruleId }) =>
      violation(pathToString(field), rule, ruleId),
    );
    const fields = new Set(broken?.map(({ field }) => field));
    const malformed = findMalformed(schema, message).filter(({ field }) => !fields.has(field));
    const violations = [...(broken ?? []), ...malformed].slice(0, maxViolations);
    if (violations.length > 0) throw new AppError('INVALID_ARGUMENT', { violations });
  }

  return (next) => (request) => {
    if (request.stream) {
      const value = (message: MessageShape<DescMessage>) => check(request.method.input, message);
      return next({ ...request, message: wrapIterable(request.message, { value }) });
    }
    check(request.method.input, request.message);
    return next(request);
  };
}

// Rules of ours may be CEL with a message of their own; the standard ones speak of the rule only.
function violation(field: string, message: string, ruleId: string): FieldViolation {
  return { field, description: message === '' ? ruleId : message };
}
