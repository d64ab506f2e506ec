import http from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { InMemorySpanExporter, createTelemetry, currentTraceparent, withSpan } from '../src/index.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function recorded() {
  const spanExporter = new InMemorySpanExporter();
  const telemetry = createTelemetry({ service: 'test', version: '1', logLevel: 'silent', spanExporter });
  return { ...telemetry, spans: () => spanExporter.getFinishedSpans() };
}

describe('withSpan', () => {
  it('nests, and gives the traceparent to put in a job', async () => {
    const { tracer, spans } = recorded();
    expect(currentTraceparent()).equal(undefined);
    let inJob: string | undefined;
    await withSpan(tracer, 'outer', { documentId: 'd-1' }, () =>
      withSpan(tracer, 'inner', {}, () => {
        inJob = currentTraceparent();
        return Promise.resolve();
      }),
    );
    const [inner, outer] = spans();
    expect(inner?.parentSpanContext?.spanId).equal(outer?.spanContext().spanId);
    expect(inJob).equal(`00-${outer?.spanContext().traceId}-${inner?.spanContext().spanId}-01`);
    expect(outer?.attributes).deep.equal({ documentId: 'd-1' });
  });

  it('goes on with the trace of a job', async () => {
    const { tracer, spans } = recorded();
    await withSpan(tracer, 'job', {}, () => Promise.resolve(), { traceparent });
    expect(spans()[0]?.spanContext().traceId).equal('0af7651916cd43dd8448eb211c80319c');
    expect(spans()[0]?.parentSpanContext?.spanId).equal('b7ad6b7169203331');
  });

  it('begins a new trace when the job carries nonsense', async () => {
    const { tracer, spans } = recorded();
    await withSpan(tracer, 'job', {}, () => Promise.resolve(), { traceparent: 'nonsense' });
    expect(spans()[0]?.parentSpanContext).equal(undefined);
  });

  it('ends as failed when the work fails, without its words', async () => {
    const { tracer, spans } = recorded();
    const error: unknown = await withSpan(tracer, 'work', {}, () => Promise.reject(new TypeError('Abernathy'))).catch(
      (reason: unknown) => reason,
    );
    expect(error).instanceOf(TypeError);
    const [span] = spans();
    expect(span?.status).deep.equal({ code: 2 });
    expect(span?.attributes).deep.equal({ 'error.type': 'TypeError' });
    expect(span?.events).deep.equal([]);
  });
});

describe('shutdown', () => {
  it('sends what is buffered to the collector', async () => {
    const received: string[] = [];
    const collector = http.createServer((request, response) => {
      received.push(request.url ?? '');
      request.resume().once('end', () => response.end('{}'));
    });
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    const { port } = collector.address() as AddressInfo;
    const otlpUrl = `http://127.0.0.1:${port}`;
    const telemetry = createTelemetry({ service: 'test', version: '1', logLevel: 'silent', otlpUrl });
    await withSpan(telemetry.tracer, 'work', {}, () => Promise.resolve());
    await telemetry.shutdown();
    expect(received).deep.equal(['/v1/traces']);
    collector.closeAllConnections();
    collector.close();
  });

  it('does not fail, nor wait for long, when the collector is away', async () => {
    const telemetry = createTelemetry({
      service: 'test',
      version: '1',
      logLevel: 'silent',
      otlpUrl: 'http://127.0.0.1:1',
    });
    await withSpan(telemetry.tracer, 'work', {}, () => Promise.resolve());
    await telemetry.shutdown();
  });
});
