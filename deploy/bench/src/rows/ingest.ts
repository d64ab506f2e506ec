import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Api } from '@wardstone/local/demo/api';
import { readWithBarePdfjs } from '../bare-pdfjs.ts';
import { inventedPdfs } from '../material.ts';
import type { Bench, Row } from '../row.ts';
import { alternateMedians, secondsOf } from '../statistics.ts';

const rounds = 3;
const documents = 12;
const pagesPerDocument = 10;
const uploadsAtOnce = 4;
const documentTimeoutMs = 120_000;
const pollMs = 50;

/** The whole platform, from the first upload until the last document is READY. */
export const ingestRow: Row = {
  name: 'ingest',
  measure: async ({ platform, progress, signal }: Bench) => {
    const running = await platform.running();
    const slug = running.accounts.tenants[0]?.slug ?? '';
    const api = new Api(running.urls.gateway, async () => running.token(`${slug}-clinician`));
    const files = await inventedPdfs(documents, pagesPerDocument);
    const pages = documents * pagesPerDocument;
    let round = 0;
    progress(`ingest: ${rounds + 1} × ${documents} documents of ${pagesPerDocument} pages`);
    const [ours, bare] = await alternateMedians(rounds, [
      async () => {
        round += 1;
        const batch = `bench-${round}`;
        const seconds = await secondsOf(async () => ingest(api, files, batch, signal));
        progress(`ingest: round ${round}, ${seconds.toFixed(1)} s`);
        return pages / seconds;
      },
      async () => pages / (await secondsOf(async () => readWithBarePdfjs(files))),
    ]);
    return [
      {
        what: `upload to READY, ${documents} × ${pagesPerDocument} full pages`,
        unit: 'pages/s',
        better: 'higher',
        ours,
        ...(bare === undefined ? {} : { bare }),
        bareIs: 'pdfjs-dist in a loop, which stores, seals, embeds and audits nothing',
      },
    ];
  },
};

async function ingest(api: Api, files: readonly Buffer[], batch: string, signal: AbortSignal): Promise<void> {
  const waiting = [...files.entries()];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [number, content] = next;
      const name = `${batch}-${number}.pdf`;
      const { documentId } = await api.upload({ name, title: name, bytes: new Uint8Array(content), key: randomUUID() });
      await untilReady(api, documentId, signal);
    }
  };
  await Promise.all(Array.from({ length: uploadsAtOnce }, worker));
}

async function untilReady(api: Api, documentId: string, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(documentTimeoutMs)]);
  for (;;) {
    deadline.throwIfAborted();
    for await (const { state, failure } of api.watch(documentId, deadline)) {
      if (state === 'READY') return;
      if (state === 'FAILED') throw new Error(`a document failed: ${failure?.reason ?? 'unknown'}`);
    }
    // The stream of events ended early: ask again, with a pause so that a gateway in trouble is not overrun.
    await wait(pollMs, undefined, { signal: deadline });
  }
}
