import { expect } from 'chai';
import { EmbedKind, EmbeddingService } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { withSpan } from '@wardstone/telemetry';
import { asPrincipal, createServiceClient } from '../src/index.ts';
import {
  clientOf,
  clinician,
  createScene,
  recordedTelemetry,
  refusal,
  secret,
  startTestServer,
} from './support/platform.ts';

describe('a trace', () => {
  it('goes from the caller through the client and the server into the log', async () => {
    const server = await startTestServer(createScene());
    const telemetry = recordedTelemetry('caller');
    const client = createServiceClient(EmbeddingService, clientOf(server.url, { telemetry }));
    const request = { texts: [secret], kind: EmbedKind.PASSAGE };
    await withSpan(telemetry.tracer, 'work', {}, async () => {
      await client.embed(request, asPrincipal(clinician, { requestId: 'r-1' }));
      await refusal(client.embed({ ...request, texts: ['boom'] }, asPrincipal(clinician)));
    });
    await server.close();

    const [called, failed, work] = telemetry.spans.getFinishedSpans();
    const [served, failedThere] = server.telemetry.spans.getFinishedSpans();
    if (!called || !failed || !work || !served || !failedThere) throw new Error('a span is missing');
    const traceId = work.spanContext().traceId;
    for (const span of [called, failed, served, failedThere]) expect(span.spanContext().traceId).equal(traceId);
    expect(called.parentSpanContext?.spanId).equal(work.spanContext().spanId);
    expect(served.parentSpanContext?.spanId).equal(called.spanContext().spanId);
    expect(served.name).equal('wardstone.embedding.v1.EmbeddingService/Embed');
    expect(served.attributes).include({ 'wardstone.request_id': 'r-1', 'wardstone.caller': 'client' });
    expect(served.status.code).equal(0);
    expect(failedThere.status.code).equal(2);
    expect(failedThere.attributes).include({ 'error.type': 'INTERNAL' });
    const logged = server.telemetry.lines().find(({ msg }) => msg === 'embedding');
    expect(logged).include({ traceId, spanId: served.spanContext().spanId });
    const all = JSON.stringify(
      [called, failed, served, failedThere].map(({ attributes, events, status }) => [attributes, events, status]),
    );
    expect(all).not.include('Abernathy');
    const counted = await telemetry.metrics.getSingleMetricAsString('rpc_client_requests_total');
    expect(counted)
      .match(/code="Ok".*\} 1/)
      .and.match(/code="Internal".*\} 1/);
  });

  it('begins anew when the caller sends none or nonsense', async () => {
    const server = await startTestServer(createScene());
    for (const traceparent of ['', 'nonsense', '00-00000000000000000000000000000000-0000000000000000-01']) {
      await fetch(`${server.url}/wardstone.embedding.v1.EmbeddingService/Embed`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer good', traceparent },
        body: '{"texts":["a"],"kind":1}',
      });
    }
    await server.close();
    const spans = server.telemetry.spans.getFinishedSpans();
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).equal(3);
    for (const span of spans) expect(span.parentSpanContext).equal(undefined);
  });
});
