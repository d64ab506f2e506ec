import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { z } from 'zod';

const documentSchema = z.object({
  documentId: z.string(),
  title: z.string(),
  state: z.string(),
  percent: z.number(),
  pageCount: z.number(),
  chunkCount: z.number(),
  failure: z.object({ reason: z.string(), message: z.string() }).optional(),
});
const spanSchema = z.object({ pageStart: z.number(), pageEnd: z.number() });
const answerSchema = z.object({
  answer: z.string(),
  outcome: z.string(),
  grounding: z.number(),
  checked: z.object({ statements: z.number(), supported: z.number(), withheld: z.number() }),
  statements: z.array(z.object({ text: z.string(), support: z.string(), problems: z.array(z.string()) })),
  usage: z.object({ modelId: z.string(), inputTokens: z.number(), outputTokens: z.number(), costMicroUsd: z.number() }),
  sources: z.array(z.object({ number: z.number(), documentTitle: z.string(), span: spanSchema, score: z.number() })),
  citations: z.array(z.object({ sourceNumber: z.number(), quote: z.string(), span: spanSchema })),
});
const auditEventSchema = z.object({
  occurredAt: z.string(),
  sequence: z.number(),
  service: z.string(),
  action: z.string(),
  outcome: z.string(),
  resourceIds: z.array(z.string()),
  actor: z.object({ kind: z.string(), roles: z.array(z.string()) }),
});
const problemSchema = z.object({
  reason: z.string().catch('UNKNOWN'),
  detail: z.string().optional().catch(undefined),
  title: z.string().catch(''),
});
const pageOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item) });

export type DemoDocument = z.infer<typeof documentSchema>;
export type DemoAnswer = z.infer<typeof answerSchema>;
export type DemoAuditEvent = z.infer<typeof auditEventSchema>;

/** What the gateway said when it refused: the problem document's reason, and its HTTP status. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, detail: string) {
    super(`HTTP ${status} ${reason}: ${detail}`);
    this.status = status;
    this.reason = reason;
  }
}

const requestTimeoutMs = 60_000;
const maxBusyAttempts = 20;
const maxBusyWaitMs = 5_000;

/** The REST API as one signed-in person uses it. Waits and tries again when the gateway says that it is busy. */
export class Api {
  readonly #baseUrl: string;
  readonly #token: () => Promise<string>;

  constructor(baseUrl: string, token: () => Promise<string>) {
    this.#baseUrl = baseUrl;
    this.#token = token;
  }

  /** Uploads a file; the same key means the same document, however often it is sent. */
  async upload(file: {
    name: string;
    title: string;
    bytes: Uint8Array<ArrayBuffer>;
    key: string;
  }): Promise<DemoDocument> {
    const form = (): FormData => {
      const parts = new FormData();
      parts.append('title', file.title);
      parts.append('file', new Blob([file.bytes], { type: 'application/pdf' }), file.name);
      return parts;
    };
    const response = await this.#send('/v1/documents', () => ({
      method: 'POST',
      headers: { 'idempotency-key': file.key },
      body: form(),
    }));
    return documentSchema.parse(await response.json());
  }

  /** States of a document as they change, until it is READY or FAILED. */
  async *watch(documentId: string, signal: AbortSignal): AsyncGenerator<DemoDocument> {
    const response = await this.#send(`/v1/documents/${documentId}/events`, () => ({
      headers: { accept: 'text/event-stream' },
      signal,
    }));
    const events: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (event) => events.push(event) });
    const decoder = new TextDecoder();
    for await (const bytes of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      parser.feed(decoder.decode(bytes, { stream: true }));
      for (const event of events.splice(0)) {
        if (event.event !== 'document') continue;
        const document = documentSchema.parse(JSON.parse(event.data));
        yield document;
        if (document.state === 'READY' || document.state === 'FAILED') return;
      }
    }
  }

  async document(documentId: string): Promise<DemoDocument> {
    return documentSchema.parse(await (await this.#send(`/v1/documents/${documentId}`)).json());
  }

  async documents(): Promise<DemoDocument[]> {
    return pageOf(documentSchema).parse(await (await this.#send('/v1/documents?pageSize=200')).json()).data;
  }

  async answer(question: string): Promise<DemoAnswer> {
    const response = await this.#send('/v1/answers', () => ({
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ question }),
    }));
    return answerSchema.parse(await response.json());
  }

  async auditEvents(count: number): Promise<DemoAuditEvent[]> {
    const response = await this.#send(`/v1/audit-events?pageSize=${count}`);
    return pageOf(auditEventSchema).parse(await response.json()).data;
  }

  async #send(path: string, init: () => RequestInit = () => ({})): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const given = init();
      const headers = new Headers(given.headers);
      headers.set('authorization', `Bearer ${await this.#token()}`);
      const signal = given.signal ?? AbortSignal.timeout(requestTimeoutMs);
      const response = await fetch(`${this.#baseUrl}${path}`, { ...given, headers, signal });
      if (response.ok) return response;
      const error = await problemOf(response);
      if (attempt >= maxBusyAttempts || ![429, 503].includes(response.status)) throw error;
      const waitMs = Math.min(Number(response.headers.get('retry-after') ?? 1) * 1000, maxBusyWaitMs);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const { reason, detail, title } = problemSchema.parse(await response.json().catch(() => ({})));
  return new ApiError(response.status, reason, detail ?? title);
}
