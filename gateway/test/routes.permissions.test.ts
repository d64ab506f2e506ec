import { expect } from 'chai';
import { IngestionService } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { Health } from '@wardstone/rpc/gen/grpc/health/v1/health_pb';
import { TenantKeyService } from '@wardstone/rpc/gen/wardstone/tenant_key/v1/tenant_key_pb';
import { permissionOf, requiredPermission } from '../src/auth/permission.ts';
import type { RouteDeps } from '../src/deps.ts';
import type { Route } from '../src/route.ts';
import { allRoutes } from '../src/routes/index.ts';
import { testLimits } from './support/world.ts';

// Routes are declared from their dependencies' names alone; nothing is called.
const declared = (): Route[] => allRoutes({ services: {}, limits: testLimits } as unknown as RouteDeps);

describe('the permission of a route', () => {
  it('is the one that its RPC declares in the proto', () => {
    const permissions = declared().map(({ method, path, access }) => {
      const permission = requiredPermission(access);
      return [`${method} ${path}`, permission && `${permission.resource}.${permission.action} ${permission.scope}`];
    });
    expect(Object.fromEntries(permissions)).to.deep.equal({
      'POST /v1/documents': 'document.create tenant',
      'GET /v1/documents': 'document.read tenant',
      'GET /v1/documents/{documentId}': 'document.read tenant',
      'DELETE /v1/documents/{documentId}': 'document.delete tenant',
      'GET /v1/documents/{documentId}/events': 'document.read tenant',
      'GET /v1/documents/{documentId}/content': 'document.download tenant',
      'POST /v1/search': 'search.read tenant',
      'POST /v1/answers': 'answer.create tenant',
      'POST /v1/chat/completions': 'answer.create tenant',
      'GET /v1/models': 'answer-model.list tenant',
      'GET /v1/models/{model}': 'answer-model.list tenant',
      'POST /v1/conversations': 'conversation.create tenant',
      'GET /v1/conversations': 'conversation.read tenant',
      'GET /v1/conversations/{conversationId}': 'conversation.read tenant',
      'DELETE /v1/conversations/{conversationId}': 'conversation.delete tenant',
      'GET /v1/answer-settings': 'answer-settings.read tenant',
      'PUT /v1/answer-settings': 'answer-settings.update tenant',
      'GET /v1/usage': 'answer-usage.read tenant',
      'POST /v1/tenants': 'tenant.create platform',
      'GET /v1/tenants': 'tenant.list platform',
      'GET /v1/tenants/{tenantId}': 'tenant.read tenant',
      'POST /v1/tenants/{tenantId}/suspension': 'tenant.suspend platform',
      'DELETE /v1/tenants/{tenantId}/suspension': 'tenant.resume platform',
      'POST /v1/tenants/{tenantId}/key-rotations': 'key-rotation.create tenant',
      'GET /v1/tenants/{tenantId}/key-rotations/latest': 'key-rotation.read tenant',
      'GET /v1/tenants/{tenantId}/key-rotations/{rotationId}': 'key-rotation.read tenant',
      'POST /v1/tenants/{tenantId}/offboarding': 'offboarding.request tenant',
      'POST /v1/tenants/{tenantId}/offboarding/approval': 'offboarding.approve tenant',
      'POST /v1/tenants/{tenantId}/offboarding/cancellation': 'offboarding.cancel tenant',
      'GET /v1/tenants/{tenantId}/offboarding': 'offboarding.read tenant',
      'GET /v1/audit-events': 'audit-event.read tenant',
      'GET /v1/me': undefined,
    });
  });

  it('is never left out but where a caller is told nothing but its own token', () => {
    const open = declared().filter(({ access }) => access === 'own-token');
    expect(open.map(({ operationId }) => operationId)).to.deep.equal(['getMe']);
  });

  it('cannot be had from an RPC that declares none, or that does not take calls from the gateway', () => {
    expect(() => permissionOf(Health.method.check)).to.throw(/declares no permission/);
    expect(() => permissionOf(TenantKeyService.method.getDataKeys)).to.throw(/does not accept the gateway/);
    expect(() => permissionOf(IngestionService.method.reportProgress)).to.throw(/does not accept the gateway/);
  });
});
