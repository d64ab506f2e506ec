import { needs } from '@wardstone/rpc';
import {
  KeyRotationCauseSchema,
  KeyRotationStateSchema,
  type KeyRotation,
} from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_lifecycle_pb';
import { enumName } from './enums.ts';
import { optionalInstant, toInstant } from './timestamp.ts';
import { toWorkProgress } from './work-progress.ts';

/** A rotation as the API shows it. Thrown: INTERNAL when the service answered without one. */
export function toKeyRotation(rotation: KeyRotation | undefined) {
  needs(rotation, 'INTERNAL');
  return {
    rotationId: rotation.rotationId,
    tenantId: rotation.tenantId,
    keyVersion: rotation.keyVersion,
    state: enumName(KeyRotationStateSchema, rotation.state, 'RESEALING'),
    cause: enumName(KeyRotationCauseSchema, rotation.cause, 'REQUESTED'),
    requestedBy: rotation.requestedBy,
    startedAt: toInstant(rotation.startedAt),
    ...optionalInstant('completedAt', rotation.completedAt),
    progress: rotation.progress.map(toWorkProgress),
  };
}
