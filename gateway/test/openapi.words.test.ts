import { documentFailures, isReason, reasons } from '@wardstone/rpc';
import { expect } from 'chai';
import { describedBy } from './support/described.ts';
import { type World, startWorld, tenantA } from './support/world.ts';
import { addDocument } from './support/in-test-services.ts';
import { readEvents, readRawEvents } from './support/events.ts';
import { postJson } from './support/http.ts';
import { enableCompletions } from './support/in-test-kept.ts';

interface Described extends Record<string, unknown> {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}
interface Operation {
  readonly parameters: { readonly name: string; readonly description?: string; readonly schema: object }[];
  readonly responses: Record<string, { readonly content?: Record<string, MediaType> }>;
}
interface MediaType {
  readonly schema: { readonly items?: { readonly $ref: string } };
  readonly examples?: { readonly stream: { readonly value: string } };
}

describe("the words and examples of the API's description", () => {
  let world: World;
  const documents: Described[] = [];
  before(async () => {
    world = await startWorld();
    documents.push(...(await describedBy<Described>(world)));
  });
  after(() => world.close());

  const operations = () =>
    documents.flatMap(({ paths }) =>
      Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
      ),
    );

  it('describe every property and every parameter', () => {
    for (const { components } of documents) {
      for (const [name, schema] of Object.entries(components.schemas)) {
        for (const [path, property] of propertiesIn(schema, name)) {
          expect(property, path).to.have.any.keys('description', '$ref', 'allOf');
        }
      }
    }
    for (const { name, operation } of operations()) {
      for (const parameter of operation.parameters) {
        expect(parameter.description, `${name} ${parameter.name}`).to.match(/\w{2}/);
      }
    }
  });

  it('bound the headers that a client makes up', () => {
    for (const { operation } of operations()) {
      const bounded = operation.parameters.filter(({ name }) => ['X-Request-Id', 'Idempotency-Key'].includes(name));
      for (const { schema } of bounded) expect(schema).to.include.all.keys('pattern', 'minLength', 'maxLength');
    }
  });

  it('give problems as the catalogue has them', () => {
    let seen = 0;
    for (const problem of objectsIn(documents)) {
      const { type, title, status, reason } = problem;
      if (typeof type !== 'string' || !type.startsWith('urn:wardstone:problem:') || typeof reason !== 'string')
        continue;
      seen += 1;
      expect(isReason(reason), reason).to.equal(true);
      expect({ type, title, status }).to.deep.equal({
        type: `urn:wardstone:problem:${reason}`,
        title: isReason(reason) ? reasons[reason].message : '',
        status: isReason(reason) ? reasons[reason].status : 0,
      });
    }
    expect(seen).to.be.above(0);
  });

  it('give examples that their own schemas take', async () => {
    const { validate, errorsText } = await validator(documents[0]);
    let seen = 0;
    for (const [name, schema] of Object.entries(documents[0]?.components.schemas ?? {})) {
      for (const example of 'examples' in schema ? (schema.examples as unknown[]) : []) {
        seen += 1;
        expect(validate(name, example), `${name}: ${errorsText()}`).to.equal(true);
      }
    }
    expect(seen).to.be.above(5);
  });

  it('say of event streams what they are made of, and show one', async () => {
    const { validate, errorsText } = await validator(documents[0]);
    const headers = { ...(await world.bearer()), accept: 'text/event-stream', 'content-type': 'application/json' };
    const { documentId } = addDocument(world.state, tenantA);
    const real: Record<string, () => Promise<Response>> = {
      AnswerEvent: () => fetch(`${world.url}/v1/answers`, { method: 'POST', headers, body: '{"question":"x"}' }),
      DocumentEvent: () => fetch(`${world.url}/v1/documents/${documentId}/events`, { headers }),
    };
    const streams = operations()
      .map(({ operation }) => operation.responses['200']?.content?.['text/event-stream'])
      .filter((stream) => stream !== undefined);
    expect(streams).to.have.length(6);
    for (const { schema, examples } of streams) {
      const name = schema.items?.$ref.split('/').at(-1) ?? '';
      // Its events have no names, and its end is no JSON.
      if (name === 'ChatCompletionChunk') continue;
      const sent = await readEvents((await real[name]?.()) ?? new Response());
      const shown = await readEvents(new Response(examples?.stream.value));
      expect(shown.at(-1)?.event).to.equal('done');
      expect(new Set(sent.map(({ event }) => event))).to.deep.equal(new Set(shown.map(({ event }) => event)));
      for (const event of [...shown, ...sent]) {
        expect(validate(name, event), `${name} ${event.event}: ${errorsText()}`).to.equal(true);
      }
    }
  });

  it('say of chunks of a completion what they are made of, and show a stream of them', async () => {
    const { validate, errorsText } = await validator(documents[0]);
    const completions = documents[0]?.paths['/v1/chat/completions']?.['post'];
    const shown = completions?.responses['200']?.content?.['text/event-stream']?.examples?.stream.value;
    enableCompletions(world.state.kept, tenantA);
    const headers = await world.bearer({ roles: ['builder'] });
    const sent = await postJson(`${world.url}/v1/chat/completions`, headers, {
      ...{ model: 'fast', messages: [{ role: 'user', content: 'x' }] },
      ...{ stream: true, stream_options: { include_usage: true } },
    });
    for (const stream of [new Response(shown), sent]) {
      const events = await readRawEvents(stream);
      expect(events.map(({ event }) => event))
        .to.include.members(['message'])
        .and.not.include('done');
      expect(events.pop()?.data).to.equal('[DONE]');
      expect(events).to.have.length.above(3);
      for (const { data } of events) {
        expect(validate('ChatCompletionChunk', JSON.parse(data)), `${data}: ${errorsText()}`).to.equal(true);
      }
    }
  });

  it('name what a document can fail with', () => {
    const [schema] = [...propertiesIn(documents[0]?.components.schemas['Document'] ?? {}, '')]
      .filter(([path]) => path === '.failure.reason')
      .map(([, property]) => property as { readonly enum: string[]; readonly description: string });
    expect(schema?.enum).to.deep.equal([...documentFailures]);
    for (const reason of documentFailures) expect(schema?.description).to.contain(reasons[reason].message);
  });

  it('show a failure that documents are not said to have as one of ours', async () => {
    for (const [reason, shown] of [
      ['NO_TEXT', 'NO_TEXT'],
      ['CANCELLED', 'INTERNAL'],
    ] as const) {
      const message = reasons[reason].message;
      const { documentId } = addDocument(world.state, tenantA, {
        failure: { $typeName: 'wardstone.ingestion.v1.DocumentFailure', reason, message },
      });
      const response = await fetch(`${world.url}/v1/documents/${documentId}`, { headers: await world.bearer() });
      const { failure } = (await response.json()) as { readonly failure: unknown };
      expect(failure).to.deep.equal({ reason: shown, message: reasons[shown].message });
    }
  });
});

async function validator(document: Described | undefined) {
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'api', ...document });
  return {
    validate: (name: string, value: unknown) => ajv.validate({ $ref: `api#/components/schemas/${name}` }, value),
    errorsText: () => ajv.errorsText(),
  };
}

/** Every property of a schema and of what stands in it, by its path. */
function* propertiesIn(schema: object, path: string): Generator<[string, object]> {
  for (const [keyword, value] of Object.entries(schema) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null || keyword === 'examples' || keyword === 'example') continue;
    if (keyword === 'properties') {
      for (const [name, property] of Object.entries(value as Record<string, object>)) {
        yield [`${path}.${name}`, property];
        yield* propertiesIn(property, `${path}.${name}`);
      }
    } else yield* propertiesIn(value, path);
  }
}

function* objectsIn(value: unknown): Generator<Readonly<Record<string, unknown>>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Readonly<Record<string, unknown>>;
  for (const inner of Object.values(value)) yield* objectsIn(inner);
}
