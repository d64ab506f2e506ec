import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AppError } from '../app-error.ts';
import { Health, HealthCheckResponse_ServingStatus as Status } from '../gen/grpc/health/v1/health_pb.ts';
import { Connection } from './connection.ts';

/**
 * A check for `dependencies` that asks another service's grpc.health.v1. Use it only for a service without which this one
 * cannot answer anything, or one service that is down takes the others' readiness with it.
 *
 * Thrown by the check: AppError SERVICE_UNAVAILABLE.
 */
export function peerHealth(baseUrl: string, timeoutMs = 1_500): () => Promise<void> {
  const client = createClient(Health, createGrpcTransport({ baseUrl, sessionManager: new Connection(baseUrl) }));
  return async () => {
    try {
      const { status } = await client.check({}, { timeoutMs });
      if (status === Status.SERVING) return;
    } catch (error) {
      throw new AppError('SERVICE_UNAVAILABLE', { cause: error });
    }
    throw new AppError('SERVICE_UNAVAILABLE');
  };
}
