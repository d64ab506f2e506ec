import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Scope } from '@wardstone/rpc';
import { expect } from 'chai';
import { createPolicy, roles, type Permission, type Policy } from '../src/index.ts';
import { serviceRights } from '../src/policy.ts';
import { rpcs, tenantA } from './support.ts';

// Written out once more on purpose: who may call which RPC when the policy judges the principal (or, for the methods that
// only services may call, the peer as role service).
const table: Record<string, readonly string[]> = {
  'AuditService.AppendEvents': ['service'],
  'AuditService.ListEvents': ['platform_admin', 'tenant_admin', 'auditor'],
  'EmbeddingService.Embed': ['tenant_admin', 'clinician', 'builder', 'service'],
  'EmbeddingService.GetModels': ['service'],
  'IngestionService.UploadDocument': ['tenant_admin', 'clinician', 'builder'],
  'IngestionService.GetDocument': ['tenant_admin', 'clinician', 'builder'],
  'IngestionService.ListDocuments': ['tenant_admin', 'clinician', 'builder'],
  'IngestionService.WatchDocument': ['tenant_admin', 'clinician', 'builder'],
  'IngestionService.DeleteDocument': ['tenant_admin', 'clinician'],
  'IngestionService.DownloadDocument': ['tenant_admin', 'clinician'],
  'IngestionService.ReportProgress': ['service'],
  'AnswerSettingsService.GetAnswerSettings': ['tenant_admin', 'clinician', 'builder', 'auditor'],
  'AnswerSettingsService.UpdateAnswerSettings': ['tenant_admin'],
  'AnswerSettingsService.ListModels': ['tenant_admin', 'clinician', 'builder'],
  'AnswerSettingsService.GetUsage': ['tenant_admin', 'auditor'],
  'ConversationService.CreateConversation': ['tenant_admin', 'clinician', 'builder'],
  'ConversationService.ListConversations': ['tenant_admin', 'clinician', 'builder'],
  'ConversationService.GetConversation': ['tenant_admin', 'clinician', 'builder'],
  'ConversationService.DeleteConversation': ['tenant_admin', 'clinician', 'builder'],
  'LlmService.Answer': ['tenant_admin', 'clinician', 'builder'],
  'RetrievalService.Search': ['tenant_admin', 'clinician', 'builder'],
  'RetrievalService.RemoveDocument': ['service'],
  'TenantKeyService.CreateTenant': ['platform_admin'],
  'TenantKeyService.GetTenant': [
    'platform_admin',
    'tenant_admin',
    'clinician',
    'analyst',
    'builder',
    'auditor',
    'service',
  ],
  'TenantKeyService.ListTenants': ['platform_admin'],
  'TenantKeyService.GetDataKeys': ['service'],
  'TenantLifecycleService.SuspendTenant': ['platform_admin'],
  'TenantLifecycleService.ResumeTenant': ['platform_admin'],
  'TenantLifecycleService.StartKeyRotation': ['platform_admin', 'tenant_admin'],
  'TenantLifecycleService.GetKeyRotation': ['platform_admin', 'tenant_admin', 'auditor'],
  'TenantLifecycleService.RequestOffboarding': ['platform_admin', 'tenant_admin'],
  'TenantLifecycleService.ApproveOffboarding': ['platform_admin', 'tenant_admin'],
  'TenantLifecycleService.CancelOffboarding': ['platform_admin', 'tenant_admin'],
  'TenantLifecycleService.GetOffboarding': ['platform_admin', 'tenant_admin', 'auditor'],
  'TenantWorkService.WatchTenants': ['service'],
  'TenantWorkService.ListTenantWork': ['service'],
  'TenantWorkService.BeginTenantWork': ['service'],
  'TenantWorkService.ReportTenantWork': ['service'],
};

const principalOf = (role: string): { roles: string[]; tenantId: string | undefined } => ({
  roles: [role],
  tenantId: role === 'platform_admin' ? undefined : tenantA,
});

describe('policy: every role at every RPC', () => {
  let policy: Policy;
  before(async () => {
    policy = await createPolicy();
  });

  for (const { name, access } of rpcs) {
    for (const role of roles) {
      const may = table[name]?.includes(role) === true;
      it(`${name}: ${role} ${may ? 'may' : 'may not'}`, () => {
        const scope = access.scope === Scope.PLATFORM ? 'platform' : 'tenant';
        const permission: Permission = { resource: access.resource, action: access.action, scope };
        expect(policy.allows(principalOf(role), permission)).to.equal(may);
      });
    }
  }

  it('knows every RPC of the protos, and no other', () => {
    expect(rpcs.map(({ name }) => name).sort()).to.deep.equal(Object.keys(table).sort());
  });
});

describe('policy: default deny', () => {
  let policy: Policy;
  before(async () => {
    policy = await createPolicy();
  });
  const search: Permission = { resource: 'search', action: 'read', scope: 'tenant' };

  it('refuses every permission that no rule names, to every role and to all of them together', () => {
    const resources = [
      'document',
      'search',
      'answer',
      'tenant',
      'data-key',
      'audit-event',
      'key',
      '*',
      '',
      'documents',
    ];
    const actions = ['purge', '*', '', 'READ', 'read ', 'rea', 'r.*', 'update'];
    for (const resource of resources) {
      for (const action of actions) {
        for (const scope of ['tenant', 'platform'] as const) {
          for (const tenantId of [tenantA, undefined]) {
            const principal = { roles, tenantId };
            expect(policy.allows(principal, { resource, action, scope }), `${resource} ${action}`).to.equal(false);
          }
        }
      }
    }
  });

  it('refuses who has no role, an unknown one, or one that only the rules know', () => {
    const own: Permission = { resource: 'tenant', action: 'read', scope: 'tenant' };
    for (const role of ['', '*', 'root', 'member', 'Clinician', 'clinician ', tenantA, 'tenant/*']) {
      expect(policy.allows({ roles: [role], tenantId: tenantA }, search), role).to.equal(false);
      expect(policy.allows({ roles: [role], tenantId: tenantA }, own), role).to.equal(false);
    }
    expect(policy.allows({ roles: [], tenantId: tenantA }, search)).to.equal(false);
  });

  it('gives the platform no document, search, answer or key, and a tenant’s roles nothing on the platform', () => {
    const phi = rpcs.filter(({ access }) =>
      ['document', 'search', 'answer', 'conversation', 'data-key'].includes(access.resource),
    );
    for (const { access, name } of phi) {
      for (const scope of ['tenant', 'platform'] as const) {
        const permission = { resource: access.resource, action: access.action, scope };
        expect(policy.allows({ roles, tenantId: undefined }, permission), name).to.equal(false);
      }
    }
    for (const role of roles.filter((known) => known !== 'platform_admin')) {
      for (const tenantId of [tenantA, undefined]) {
        const create: Permission = { resource: 'tenant', action: 'create', scope: 'platform' };
        expect(policy.allows({ roles: [role], tenantId }, create), role).to.equal(false);
      }
    }
  });

  it('does not let a role of the platform act in a tenant', () => {
    const principal = { roles: ['platform_admin'], tenantId: tenantA };
    expect(policy.allows(principal, search)).to.equal(false);
    expect(policy.allows(principal, { resource: 'audit-event', action: 'read', scope: 'tenant' })).to.equal(false);
  });

  it('adds up several roles', () => {
    const principal = { roles: ['auditor', 'builder'], tenantId: tenantA };
    expect(policy.allows(principal, search)).to.equal(true);
    expect(policy.allows(principal, { resource: 'audit-event', action: 'read', scope: 'tenant' })).to.equal(true);
    expect(policy.allows(principal, { resource: 'document', action: 'delete', scope: 'tenant' })).to.equal(false);
  });
});

describe('policy: rights of services', () => {
  it('are exactly the permissions that role service has and no person’s role has', async () => {
    const policy = await createPolicy();
    for (const { name, access } of rpcs) {
      const { resource, action } = access;
      const scope = access.scope === Scope.PLATFORM ? 'platform' : 'tenant';
      const holders = roles.filter((role) => policy.allows(principalOf(role), { resource, action, scope }));
      const only = holders.length === 1 && holders[0] === 'service';
      expect(serviceRights.has(`${resource}.${action}`), name).to.equal(only);
      if (only) expect(access.callers, name).not.to.include('client');
    }
  });
});

describe('policy: its documentation', () => {
  it('is the table in the README, role by role', async () => {
    const policy = await createPolicy();
    const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8');
    const lines = readme.split('\n').filter((line) => /^\| `[a-z-]+\.[a-z-]+` /.test(line));
    const permissions = lines.map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
    const header = readme.split('\n').find((line) => line.startsWith('| permission')) ?? '';
    const columns = header.split('|').map((cell) => cell.trim());
    expect(columns.slice(2, -1)).to.have.members([...roles]);
    const documented = permissions.map(([, name]) => name);
    const declared = new Set(rpcs.map(({ access }) => `${access.resource}.${access.action}`));
    expect(documented).to.have.members([...declared]);
    for (const cells of permissions) {
      const [resource = '', action = ''] = (cells[1] ?? '').split('.');
      const scope = rpcs.find(({ access }) => access.resource === resource && access.action === action)?.access.scope;
      for (const role of roles) {
        const permission: Permission = { resource, action, scope: scope === Scope.PLATFORM ? 'platform' : 'tenant' };
        const said = cells[columns.indexOf(role)] === 'yes';
        expect(policy.allows(principalOf(role), permission), `${cells[1] ?? ''} ${role}`).to.equal(said);
      }
    }
  });
});
