import { AppError } from '@wardstone/rpc';
import { currentTraceparent, requestContext, withSpan } from '@wardstone/telemetry';
import { eventually } from '@wardstone/testing';
import { expect } from 'chai';
import { newJob, onEveryBackend } from './support/suite.ts';

onEveryBackend('telemetry of jobs', (bench) => {
  it('continues the trace of the request, and carries its ids into the handler', async () => {
    const seen: unknown[] = [];
    await bench().worker('extract', async () => {
      seen.push(requestContext.get());
      return Promise.resolve();
    });
    const { traceId, job } = await withSpan(bench().telemetry.tracer, 'request', {}, async (span) => {
      const traceparent = currentTraceparent();
      const added = newJob(traceparent === undefined ? {} : { traceparent });
      await (await bench().queue()).addDocumentFlow(added);
      return { traceId: span.spanContext().traceId, job: added };
    });
    const find = () =>
      bench()
        .spans.getFinishedSpans()
        .find(({ name }) => name === 'job extract');
    const span = await eventually(find, { description: 'the span of the job' });
    expect(span.spanContext().traceId).to.equal(traceId);
    expect(span.parentSpanContext?.spanId).to.equal(job.traceparent?.split('-')[2]);
    expect(span.attributes).to.include({ 'wardstone.document_id': job.documentId, 'wardstone.attempt': 1 });
    const { requestId, tenantId, requestedBy: subject } = job;
    expect(seen).to.deep.equal([{ requestId, tenantId, caller: 'queue', subject }]);
  });

  it('counts runs by stage and outcome, and the jobs that wait', async () => {
    const faults = [new AppError('MODEL_UNAVAILABLE')];
    await bench().worker('extract', async () => {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      return Promise.resolve();
    });
    const queue = await bench().queue();
    await queue.addDocumentFlow(newJob());
    const metrics = async (): Promise<string> => bench().telemetry.metrics.metrics();
    await eventually(
      async () => /wardstone_queue_jobs\{stage="embed",state="waiting"[^}]*\} 1\b/.test(await metrics()),
      {
        description: 'embed to wait',
      },
    );
    const text = await metrics();
    expect(text).to.match(/wardstone_queue_jobs_total\{stage="extract",outcome="completed"[^}]*\} 1\b/);
    expect(text).to.match(/wardstone_queue_jobs_total\{stage="extract",outcome="retried"[^}]*\} 1\b/);
    expect(text).to.match(/wardstone_queue_job_duration_seconds_count\{[^}]*stage="extract",outcome="completed"\} 1\b/);
    expect(text).not.to.include('document');
  });
});
