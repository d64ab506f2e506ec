import { createParser } from 'eventsource-parser';

/** A document as the gateway shows it. */
export interface DocumentView {
  readonly documentId: string;
  readonly title: string;
  readonly state: string;
  readonly percent: number;
  readonly chunkCount: number;
  readonly pageCount: number;
  readonly failure?: { readonly reason: string; readonly message: string } | null;
}

/** A hit of a search as the gateway shows it. */
export interface HitView {
  readonly documentId: string;
  readonly chunkId: string;
  readonly text: string;
  readonly score: number;
}

/** An answer of the gateway whatever its kind: status, headers, and the body parsed where it is JSON. */
export interface Reply<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** The problem body of RFC 9457 as the gateway sends it. */
export interface ProblemView {
  readonly reason: string;
  readonly status: number;
  readonly title?: string;
  readonly detail?: string;
}

/** Talks to a gateway as one signed-in caller. Replies are returned whatever their status; nothing is retried. */
export function createRest(gatewayUrl: string, token: () => Promise<string>) {
  const call = async <T>(
    method: string,
    path: string,
    init: { json?: unknown; form?: FormData; headers?: Record<string, string> } = {},
  ): Promise<Reply<T>> => {
    const response = await fetch(new URL(path, gatewayUrl), {
      method,
      headers: {
        authorization: `Bearer ${await token()}`,
        ...(init.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...init.headers,
      },
      ...(init.json === undefined ? {} : { body: JSON.stringify(init.json) }),
      ...(init.form === undefined ? {} : { body: init.form }),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  };

  return {
    call,
    async upload(fileName: string, bytes: Uint8Array, options: { title?: string; idempotencyKey?: string } = {}) {
      const form = new FormData();
      if (options.title !== undefined) form.append('title', options.title);
      form.append('file', new Blob([new Uint8Array(bytes)]), fileName);
      const headers = options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey };
      return call<DocumentView>('POST', '/v1/documents', { form, headers });
    },
    document: (id: string) => call<DocumentView>('GET', `/v1/documents/${id}`),
    search: (query: string, options: { topK?: number; documentIds?: string[] } = {}) =>
      call<{ hits: HitView[] }>('POST', '/v1/search', { json: { query, ...options } }),
    /** Begins a conversation and asks in it; gives its id. Thrown: Error when anything of that is refused. */
    async converse(...questions: readonly string[]): Promise<string> {
      const begun = await call<{ conversationId: string }>('POST', '/v1/conversations', { json: {} });
      if (begun.status !== 201) throw new Error(`beginning a conversation answered ${begun.status}`);
      const { conversationId } = begun.body;
      for (const question of questions) {
        const { status } = await call('POST', '/v1/answers', { json: { question, conversationId } });
        if (status !== 200) throw new Error(`a question of a conversation answered ${status}`);
      }
      return conversationId;
    },
    /** Every document of the tenant, page by page. */
    async documents(): Promise<DocumentView[]> {
      const all: DocumentView[] = [];
      let token: string | null = '';
      do {
        const query: string = token ? `&pageToken=${encodeURIComponent(token)}` : '';
        const page: Reply<{ data: DocumentView[]; nextToken?: string | null }> = await call(
          'GET',
          `/v1/documents?pageSize=200${query}`,
        );
        if (page.status !== 200) throw new Error(`listing documents answered ${page.status}`);
        all.push(...page.body.data);
        token = page.body.nextToken ?? null;
      } while (token);
      return all;
    },
  };
}

export type Rest = ReturnType<typeof createRest>;

/** One event of a text/event-stream. */
export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Reads a whole event stream (bounded by maxEvents) and parses each event's data as JSON. */
export async function readEvents(response: Response, maxEvents = 1000): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  const parser = createParser({
    onEvent: (message) => events.push({ event: message.event ?? 'message', data: JSON.parse(message.data) as unknown }),
  });
  if (!response.body) return events;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    parser.feed(chunk);
    if (events.length >= maxEvents) break;
  }
  return events;
}
