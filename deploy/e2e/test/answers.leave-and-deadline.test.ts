import { eventually } from '@wardstone/testing';
import { testAwsRegion } from '@wardstone/testing/aws';
import { type BedrockDouble, type BedrockRequest, startBedrockDouble, textAnswer } from '@wardstone/testing/bedrock';
import { expect } from 'chai';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { notePdf, type SyntheticNote, syntheticNote } from '../src/documents.ts';
import { ingest, startStack, type Stack } from '../src/stack.ts';

/** A client who leaves is noticed by the model within this time. */
const leaveMs = 1_000;
/** How long the gateway waits for an answer; each of llm's own bounds is longer. */
const answerTimeoutMs = 6_000;

/** An `answer.end` as the gateway shows it. */
interface EndView {
  readonly sequence: number;
  readonly outcome: string;
  readonly reason?: string;
  readonly attributes: Record<string, string>;
}

describe('an answer whose client leaves, or does not wait for longer', function () {
  this.timeout(120_000);
  const note = syntheticNote(1, 'Harrow');
  const framesOfALine = textAnswer(lineAbout(note, 1)).length;
  let double: BedrockDouble;
  let stack: Stack;

  before(async () => {
    double = await startBedrockDouble();
    stack = await startStack('leave-and-deadline', {
      llm: {
        WARDSTONE_LLM_MODEL: 'bedrock',
        WARDSTONE_BEDROCK_REGION: testAwsRegion,
        WARDSTONE_BEDROCK_ENDPOINT: double.endpoint,
        ...{ AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' },
      },
      gateway: { WARDSTONE_ANSWER_TIMEOUT_MS: String(answerTimeoutMs) },
    });
    await ingest(stack.as('north-clinician'), note.fileName, await notePdf(note), note.title);
  });
  after(async () => {
    await stack.stop();
    await double.close();
  });
  beforeEach(() => {
    double.clearFaults();
    double.forgetCalls();
    double.onConverse((request) => textAnswer(linesAbout(note, request)));
  });

  it('ends the model’s call when the client of an event stream leaves in its middle, and records that', async () => {
    // Of two lines the first one, and the first word of the other.
    double.fault({ kind: 'stall-after', afterFrames: framesOfALine }, { operation: 'ConverseStream' });
    const ends = (await answerEnds()).length;
    const leaving = new AbortController();
    const seen: string[] = [];
    const left = (async () => {
      for await (const event of await stream(leaving.signal)) {
        seen.push(event);
        // The last that comes: what is sent with the statement may be read with it.
        if (event === 'citation') leaving.abort();
      }
    })();
    expect(await left.catch((error: unknown) => (error as Error).name)).to.equal('AbortError');
    await eventually(() => theCall().aborted, { timeoutMs: leaveMs });
    expect(seen).to.deep.equal(['sources', 'delta', 'citation']);
    const end = await nextEnd(ends);
    expect(end).to.deep.include({ outcome: 'FAILURE', reason: 'CANCELLED' });
    expect(Number(end.attributes['output_tokens'])).to.be.greaterThan(0);
    expect(await modelCalls('CANCELLED')).to.equal(1);
  });

  it('ends it when the client of a whole answer leaves before the first token', async () => {
    double.fault({ kind: 'stall' }, { operation: 'ConverseStream' });
    const ends = (await answerEnds()).length;
    const leaving = new AbortController();
    const left = ask('application/json', leaving.signal).catch((error: unknown) => (error as Error).name);
    await eventually(() => double.calls.length === 1);
    leaving.abort();
    expect(await left).to.equal('AbortError');
    await eventually(() => theCall().aborted, { timeoutMs: leaveMs });
    expect(await nextEnd(ends)).to.deep.include({ outcome: 'FAILURE', reason: 'CANCELLED' });
  });

  it('carries the gateway’s deadline to the model’s call; what was told before it stands', async () => {
    double.fault({ kind: 'stall-after', afterFrames: framesOfALine }, { operation: 'ConverseStream' });
    const ends = (await answerEnds()).length;
    const seen: string[] = [];
    for await (const event of await stream()) seen.push(event);
    expect(seen.slice(0, 2)).to.deep.equal(['sources', 'delta']);
    expect(seen.at(-1)).to.equal('error DEADLINE_EXCEEDED');
    const { aborted, startedAtMs, endedAtMs = Infinity } = theCall();
    expect(aborted).to.equal(true);
    expect(endedAtMs - startedAtMs).to.be.lessThan(answerTimeoutMs);
    // By llm itself, not because the gateway went away: that would be CANCELLED.
    expect(await nextEnd(ends)).to.deep.include({ outcome: 'FAILURE', reason: 'DEADLINE_EXCEEDED' });
    expect(await modelCalls('DEADLINE_EXCEEDED')).to.equal(1);
  });

  it('answers a client who waits', async () => {
    const response = await ask('application/json');
    expect(response.status).to.equal(200);
    expect(((await response.json()) as { answer: string }).answer).to.contain(note.answer);
    expect(theCall().aborted).to.equal(false);
  });

  const ask = async (accept: string, signal?: AbortSignal): Promise<Response> =>
    fetch(new URL('/v1/answers', stack.platform.urls.gateway), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await stack.platform.token('north-clinician')}`,
        'content-type': 'application/json',
        accept,
      },
      body: JSON.stringify({ question: note.question }),
      ...(signal === undefined ? {} : { signal }),
    });

  /** Names of an answer's events as they come, the last one with its reason when it is a problem. */
  async function stream(signal?: AbortSignal): Promise<AsyncIterable<string>> {
    const response = await ask('text/event-stream', signal);
    expect(response.status).to.equal(200);
    const messages = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    return (async function* () {
      for await (const { event = '', data } of messages ?? []) {
        yield event === 'error' ? `error ${(JSON.parse(data) as { reason: string }).reason}` : event;
      }
    })();
  }

  const theCall = () => {
    const [call] = double.calls;
    if (call === undefined || double.calls.length > 1)
      throw new Error(`there are ${String(double.calls.length)} calls`);
    return call;
  };

  /** The `answer.end` that comes after as many as there were. */
  async function nextEnd(before: number): Promise<EndView> {
    const ends = await eventually(
      async () => {
        const all = await answerEnds();
        return all.length > before && all;
      },
      { intervalMs: 100, description: 'the end of the answer to be recorded' },
    );
    const [latest, ...others] = ends.toSorted((one, other) => other.sequence - one.sequence);
    if (latest === undefined || others.length > before) throw new Error('one answer ended more than once');
    return latest;
  }

  async function answerEnds(): Promise<EndView[]> {
    const path = '/v1/audit-events?pageSize=500&action=answer.end';
    const { status, body } = await stack.as('north-auditor').call<{ data: EndView[] }>('GET', path);
    if (status !== 200) throw new Error(`audit events answered ${String(status)}`);
    return body.data;
  }

  /** Calls of models that ended so, by llm's own metrics. */
  async function modelCalls(outcome: string): Promise<number> {
    const metrics = await (await fetch(new URL('/metrics', stack.platform.urls.llm))).text();
    const values = metrics.matchAll(/^wardstone_llm_model_calls_total\{(.*)\} (\d+)$/gm);
    return [...values]
      .filter(([, labels = '']) => labels.includes(`outcome="${outcome}"`))
      .reduce((sum, [, , count]) => sum + Number(count), 0);
  }
});

/** The double's answer: two statements that quote the note's sentence out of the first excerpt that has it. */
function linesAbout(note: SyntheticNote, { body }: BedrockRequest): string {
  const { messages } = body as {
    readonly messages: readonly { readonly content: readonly { readonly text?: string }[] }[];
  };
  const prompt = messages.flatMap(({ content }) => content.map(({ text = '' }) => text)).join('');
  const excerpts = prompt.matchAll(/<excerpt-\w+ number=(\d+)[^\n]*>\n(.*?)\n<\/excerpt-/gsu);
  const [, number] = [...excerpts].find(([, , text = '']) => text.includes(note.answer)) ?? [];
  if (number === undefined) throw new Error('the note is in no excerpt of the prompt');
  return lineAbout(note, Number(number)).repeat(2);
}

function lineAbout({ answer }: SyntheticNote, number: number): string {
  return `${JSON.stringify({ s: answer, q: [{ n: number, q: answer }] })}\n`;
}
