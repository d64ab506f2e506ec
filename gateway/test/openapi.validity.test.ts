import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';
import { describedBy } from './support/described.ts';
import { type World, startWorld, tenantA } from './support/world.ts';
import { enableCompletions } from './support/in-test-kept.ts';
import { addDocument, addTenant } from './support/in-test-services.ts';

interface Described extends Record<string, unknown> {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object>; readonly securitySchemes: Record<string, object> };
  readonly security: object[];
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: string[];
  readonly parameters: { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, object> };
  readonly responses: Record<string, { readonly description: string; readonly content?: Record<string, object> }>;
}

describe("the API's description", () => {
  let world: World;
  const documents: Described[] = [];
  before(async () => {
    world = await startWorld();
    documents.push(...(await describedBy<Described>(world)));
  });
  after(() => world.close());

  it('is valid OpenAPI, 3.1 and 3.0.3, every reference resolved', async () => {
    expect(documents.map(({ openapi }) => openapi)).to.deep.equal(['3.1.0', '3.0.3']);
    for (const document of documents) {
      const validator = new Validator();
      const { valid, errors } = await validator.validate(structuredClone(document));
      expect(valid, JSON.stringify(errors)).to.equal(true);
      for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
        expect(document.components.schemas).to.have.property(name ?? '');
      }
    }
  });

  it('would not pass a document that is not valid', async () => {
    const broken = structuredClone(documents[0]) as unknown as Record<string, unknown>;
    delete broken['info'];
    expect((await new Validator().validate(broken)).valid).to.equal(false);
  });

  it('describes every operation that is served, and no other', () => {
    const described = Object.entries(documents[0]?.paths ?? {}).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const { served } = world.gateway;
    const operations = served.filter((route) => route.includes(' /v1/') && !route.startsWith('HEAD '));
    expect(operations).to.have.length.above(10);
    expect(described).to.have.members(operations);
    const others = served.filter((route) => !route.includes(' /v1/'));
    for (const route of others)
      expect(route).to.match(/^(GET|HEAD) \/(livez|readyz|openapi(-3\.0)?\.json|docs(\/.*)?)$/);
  });

  it('gives every operation an id, words, a tag, its problems, and the bearer scheme', () => {
    for (const document of documents) {
      expect(document.security).to.deep.equal([{ bearer: [] }]);
      expect(document.components.securitySchemes).to.have.property('bearer');
      const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
      expect(new Set(operations.map(({ operationId }) => operationId)).size).to.equal(operations.length);
      for (const { operationId, summary, description, tags, responses, requestBody } of operations) {
        expect(summary, operationId).to.be.a('string').with.length.above(3);
        expect(description, operationId).to.match(/Needs /);
        expect(tags, operationId).to.have.length(1);
        const statuses = [
          '400',
          '401',
          '403',
          '406',
          '429',
          '500',
          '503',
          '504',
          ...(requestBody ? ['413', '415'] : []),
        ];
        expect(responses, operationId).to.include.all.keys(statuses);
        expect('304' in responses, operationId).to.equal(operationId === 'getDocument');
        for (const status of statuses) {
          expect(responses[status]?.content, operationId).to.have.all.keys('application/problem+json');
          expect(responses[status]?.description).to.match(/^- `[A-Z_]+`: /);
        }
      }
    }
  });

  it('writes 3.0 without what only 3.1 knows', () => {
    const text = JSON.stringify(documents[1]);
    expect(text).not.to.match(/"const":|"examples":\[|"type":\[|"contentEncoding"|"\$schema"|"type":"null"/);
  });

  it('describes uploads in both forms, and answers in both', () => {
    for (const { paths } of documents) {
      const upload = paths['/v1/documents']?.['post'];
      expect(upload?.requestBody?.content).to.have.all.keys('multipart/form-data', 'application/json');
      expect(upload?.parameters.map(({ name }) => name)).to.include('Idempotency-Key');
      const answers = paths['/v1/answers']?.['post'];
      expect(answers?.responses['200']?.content).to.have.all.keys('application/json', 'text/event-stream');
    }
  });

  it('is true of what is answered', async () => {
    const { Ajv2020 } = await import('ajv/dist/2020.js');
    const { documentId } = addDocument(world.state, tenantA);
    addTenant(world.state, tenantA);
    const headers = { ...(await world.bearer({ roles: ['tenant_admin'] })), 'content-type': 'application/json' };
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'api', ...documents[0] });
    enableCompletions(world.state.kept, tenantA);
    const completionBody = '{"model":"fast","messages":[{"role":"user","content":"x"}]}';
    const answers: [string, string, RequestInit][] = [
      ['Document', `/v1/documents/${documentId}`, {}],
      ['DocumentPage', '/v1/documents', {}],
      ['SearchResponse', '/v1/search', { method: 'POST', body: '{"query":"x"}' }],
      ['Answer', '/v1/answers', { method: 'POST', body: '{"question":"x"}' }],
      ['ChatCompletion', '/v1/chat/completions', { method: 'POST', body: completionBody }],
      ['ModelList', '/v1/models', {}],
      ['AuditEventPage', '/v1/audit-events', {}],
      ['Me', '/v1/me', {}],
      ['Tenant', `/v1/tenants/${tenantA}`, {}],
      ['KeyRotation', `/v1/tenants/${tenantA}/key-rotations`, { method: 'POST', body: '{}' }],
      ['KeyRotation', `/v1/tenants/${tenantA}/key-rotations/latest`, {}],
      ['Offboarding', `/v1/tenants/${tenantA}/offboarding`, { method: 'POST', body: '{}' }],
      ['Offboarding', `/v1/tenants/${tenantA}/offboarding`, {}],
      ['Conversation', '/v1/conversations', { method: 'POST', body: '{"title":"x"}' }],
      ['ConversationPage', '/v1/conversations', {}],
      ['AnswerSettings', '/v1/answer-settings', {}],
      ['AnswerSettings', '/v1/answer-settings', { method: 'PUT', body: '{"model":"fast","citationPolicy":"MARK"}' }],
      ['Usage', '/v1/usage?month=2026-11', {}],
      ['Problem', '/v1/nothing', {}],
    ];
    for (const [name, path, init] of answers) {
      const body: unknown = await (await fetch(`${world.url}${path}`, { ...init, headers })).json();
      const valid = ajv.validate({ $ref: `api#/components/schemas/${name}` }, body);
      expect(valid, `${name}: ${ajv.errorsText()}`).to.equal(true);
    }
  });

  it('can be browsed from assets of our own, under a policy that runs nothing else', async () => {
    const page = await fetch(`${world.url}/docs`);
    expect(page.status).to.equal(200);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).to.contain("default-src 'none'").and.contain("script-src 'self'");
    expect(policy).not.to.match(/unsafe|https?:|\*/);
    const html = await page.text();
    expect(html).not.to.match(/<script>|<style>|\son\w+=/);
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset]) => asset ?? '');
    expect(assets).to.have.length.above(3);
    for (const asset of assets) {
      expect(asset).to.match(/^\/docs\/static\//);
      expect((await fetch(`${world.url}${asset}`)).status, asset).to.equal(200);
    }
    expect(html)
      .to.contain('<title>Wardstone API</title>')
      .and.to.match(/rel="icon" type="image\/svg\+xml"/);
    const initializer = await (await fetch(`${world.url}/docs/static/swagger-initializer.js`)).text();
    const [, logo = ''] = /data:image\/svg\+xml;base64,([\w+/=]+)/.exec(initializer) ?? [];
    expect(Buffer.from(logo, 'base64').toString()).to.contain('Wardstone API');
    expect(await (await fetch(`${world.url}/docs/json`)).json()).to.deep.equal(documents[0]);
  });
});
