import type { DescMethod } from '@bufbuild/protobuf';
import type { Access } from './gen/wardstone/access/v1/access_pb.ts';

/** On whose behalf a call is made. Holds ids and roles, never a name or an address. */
export interface Principal {
  /** The identity provider's subject, `client:…`, or `service:…`. */
  readonly subject: string;
  readonly kind: 'user' | 'client' | 'service';
  /** UUID of the tenant, or undefined for those who belong to the platform. */
  readonly tenantId: string | undefined;
  readonly roles: readonly string[];
  /** HL7 v3 PurposeOfUse, for example TREAT. */
  readonly purposeOfUse?: string | undefined;
  /** Never there: an address identifies a person. */
  readonly email?: never;
}

/**
 * Verifies the bearer token of a call, that the method accepts the peer, and that the permission is held. Implemented by
 * libs/access.
 *
 * Thrown: AppError UNAUTHENTICATED, TOKEN_EXPIRED, TOKEN_INVALID, CALLER_NOT_ACCEPTED, TENANT_REQUIRED or PERMISSION_DENIED.
 */
export interface CallerCheck {
  (input: {
    /** The authorization header as it came. */
    readonly authorization: string | null;
    /** Fully qualified proto service, for example `wardstone.ingestion.v1.IngestionService`. */
    readonly service: string;
    readonly method: DescMethod;
    /** The method's `wardstone.access.v1.access` option. */
    readonly access: Access;
  }): Promise<{ readonly principal: Principal; readonly peer: string }>;
}
