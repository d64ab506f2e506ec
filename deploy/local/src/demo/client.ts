/** A document's state as the gateway shows it. */
export interface DocumentState {
  readonly documentId: string;
  readonly fileName: string;
  readonly state: string;
  readonly percent: number;
  readonly chunkCount: number;
  readonly failure?: { readonly reason: string };
}

/** An answer as the gateway shows it. */
export interface Answer {
  readonly answer: string;
  readonly outcome: 'ANSWERED' | 'NOT_IN_DOCUMENTS';
  readonly sources: readonly { readonly number: number; readonly documentTitle: string }[];
  readonly citations: readonly {
    readonly sourceNumber: number;
    readonly quote: string;
    readonly span: { pageStart: number; pageEnd: number; charStart: number; charEnd: number };
  }[];
}

/** An audit event as the gateway shows it. */
export interface AuditEvent {
  readonly sequence: number;
  readonly occurredAt: string;
  readonly service: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor: { readonly subject: string };
}

const requestTimeoutMs = 60_000;
const uploadAttempts = 8;
const longestWaitMs = 10_000;

/** The calls of the demo, made as an internal tool would make them: plain HTTP with a bearer token. */
export function createDemoClient(gatewayUrl: string, token: () => Promise<string>) {
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${await token()}`);
    return fetch(new URL(path, gatewayUrl), { ...init, headers, signal: AbortSignal.timeout(requestTimeoutMs) });
  };
  const json = async <T>(path: string, body?: unknown): Promise<T> => {
    const init: RequestInit =
      body === undefined
        ? {}
        : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    return parse<T>(await send(path, init), path);
  };

  return {
    /** Uploads a file and returns its document's id. Waits and tries again when the stack asks for it. */
    async upload(fileName: string, bytes: Uint8Array, idempotencyKey: string): Promise<string> {
      for (let attempt = 1; ; attempt += 1) {
        const form = new FormData();
        form.append('file', new Blob([new Uint8Array(bytes)], { type: 'application/pdf' }), fileName);
        const init = { method: 'POST', body: form, headers: { 'idempotency-key': idempotencyKey } };
        const response = await send('/v1/documents', init);
        const waitMs = Number(response.headers.get('retry-after') ?? Number.NaN) * 1000;
        if (response.ok || Number.isNaN(waitMs) || attempt === uploadAttempts) {
          return (await parse<{ documentId: string }>(response, '/v1/documents')).documentId;
        }
        await response.body?.cancel();
        await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, longestWaitMs)));
      }
    },
    document: (id: string) => json<DocumentState>(`/v1/documents/${id}`),
    async statusOf(id: string): Promise<number> {
      const response = await send(`/v1/documents/${id}`);
      await response.body?.cancel();
      return response.status;
    },
    ask: (question: string) => json<Answer>('/v1/answers', { question }),
    async search(query: string, documentIds: readonly string[]): Promise<readonly unknown[]> {
      return (await json<{ hits: unknown[] }>('/v1/search', { query, documentIds })).hits;
    },
    async auditEvents(pageSize: number): Promise<readonly AuditEvent[]> {
      return (await json<{ data: AuditEvent[] }>(`/v1/audit-events?pageSize=${pageSize}`)).data;
    },
  };
}

export type DemoClient = ReturnType<typeof createDemoClient>;

async function parse<T>(response: Response, path: string): Promise<T> {
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as T;
  throw new Error(`${path} answered ${response.status}: ${text.slice(0, 500)}`);
}
