import { needs } from '@wardstone/rpc';
import {
  OffboardingStateSchema,
  type Offboarding,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { enumName } from './enums.ts';
import { optionalInstant, toInstant } from './timestamp.ts';
import { toWorkProgress } from './work-progress.ts';

/** An offboarding as the API shows it. Thrown: INTERNAL when the service answered without one. */
export function toOffboarding(offboarding: Offboarding | undefined) {
  needs(offboarding, 'INTERNAL');
  const { approvedBy, certificate } = offboarding;
  return {
    offboardingId: offboarding.offboardingId,
    tenantId: offboarding.tenantId,
    // A state that is not known here is one that a newer service has put on the way: the tenant is not given out.
    state: enumName(OffboardingStateSchema, offboarding.state, 'APPROVED'),
    requestedBy: offboarding.requestedBy,
    requestedAt: toInstant(offboarding.requestedAt),
    ...(approvedBy === '' ? {} : { approvedBy }),
    ...optionalInstant('approvedAt', offboarding.approvedAt),
    ...optionalInstant('deletionAt', offboarding.deletionAt),
    ...optionalInstant('endedAt', offboarding.endedAt),
    progress: offboarding.progress.map(toWorkProgress),
    ...(certificate === '' ? {} : { certificate }),
  };
}
