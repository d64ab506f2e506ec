import { getOption, hasOption } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import { requestContext } from '@wardstone/telemetry';
import { AppError } from '../app-error.ts';
import { callValues } from '../call.ts';
import { access } from '../gen/wardstone/access/v1/access_pb.ts';
import type { CallerCheck } from '../principal.ts';
import { specOf } from '../reasons.ts';
import { toWire } from '../to-wire.ts';
import { type CallRecord, recordOf } from './call-record.ts';
import type { ChainOptions, GateStep } from './index.ts';

/**
 * Asks the caller check who calls and whether they may, by the access option that the method declares, and gives the handler
 * its CallContext. Health and reflection need no token: they say nothing about tenants, and load balancers have none.
 */
export function admit(options: ChainOptions): GateStep {
  return async (context) => {
    if (options.openServices.has(context.service.typeName)) return;
    const record = recordOf(context.values);
    const { principal, peer } = await checked(options.callerCheck, context, record);
    record.logContext = {
      requestId: record.requestId,
      tenantId: principal.tenantId,
      caller: peer,
      subject: principal.subject,
    };
    record.span.setAttributes({
      'wardstone.caller': peer,
      ...(principal.tenantId !== undefined && { 'wardstone.tenant_id': principal.tenantId }),
    });
    callValues(
      {
        principal,
        peer,
        requestId: record.requestId,
        signal: record.signal,
        timeoutMs: () => record.timeoutMs(),
        log: record.log,
      },
      context.values,
    );
  };
}

async function checked(callerCheck: CallerCheck, context: HandlerContext, record: CallRecord): ReturnType<CallerCheck> {
  try {
    // The server does not start with a method that declares nothing; this holds the rule for in-memory transports too.
    if (!hasOption(context.method, access)) throw new AppError('PERMISSION_DENIED');
    return await requestContext.run(record.logContext, () =>
      callerCheck({
        authorization: context.requestHeader.get('authorization'),
        service: context.service.typeName,
        method: context.method,
        access: getOption(context.method, access),
      }),
    );
  } catch (error) {
    const failure = AppError.from(error);
    record.failure = failure;
    if (specOf(failure.reason).status >= 500) {
      requestContext.run(record.logContext, () => record.log.error({ err: failure }, 'caller check failed'));
    }
    throw toWire(failure);
  }
}
