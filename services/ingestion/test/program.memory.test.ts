import { createHash } from 'node:crypto';
import { DocumentState } from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { expect } from 'chai';
import { as, tenantA } from './support/harness.ts';
import { openProgram, type Program } from './support/program.ts';
import { collect, upload, type UploadMessage } from './support/upload.ts';

const MiB = 1024 * 1024;
const uploadBytes = 1024 * MiB;
const allowedGrowthMiB = 64;

describe('memory of the ingestion program', () => {
  let program: Program;
  before(async function () {
    this.timeout(120_000);
    program = await openProgram();
    await program.start();
    // Idle means ready for work: clients connected, keys fetched, code compiled.
    for (let n = 0; n < 3; n += 1) await upload(program, 'note '.repeat(200_000));
  });
  after(() => program.close());

  /** The largest resident set while the work goes on. */
  async function peakDuring(work: () => Promise<unknown>): Promise<number> {
    let peak = 0;
    let done = false;
    const sampling = (async () => {
      while (!done) {
        peak = Math.max(peak, await program.residentBytes());
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    await work().finally(() => {
      done = true;
    });
    await sampling;
    return peak;
  }

  it('stays flat while 1 GiB comes in, and while it goes out', async () => {
    const idle = await program.residentBytes();
    const piece = Buffer.alloc(MiB / 4, 'All of this is one long note. ');
    const hash = createHash('sha256');
    async function* messages(): AsyncGenerator<UploadMessage> {
      yield { part: { case: 'metadata', value: { fileName: 'long.txt' } } };
      for (let bytes = 0; bytes < uploadBytes; bytes += piece.length) {
        hash.update(piece);
        yield await Promise.resolve({ part: { case: 'data', value: piece } } as const);
      }
      yield { part: { case: 'complete', value: { sizeBytes: BigInt(uploadBytes), sha256: hash.digest() } } };
    }
    let documentId = '';
    const whileUploading = await peakDuring(async () => {
      const { document } = await program.client.uploadDocument(messages(), as(tenantA, { timeoutMs: 600_000 }));
      documentId = document?.documentId ?? '';
      expect(document?.sizeBytes).to.equal(BigInt(uploadBytes));
    });
    expect((whileUploading - idle) / MiB, 'MiB above idle, uploading').to.be.at.most(allowedGrowthMiB);

    const whileDownloading = await peakDuring(async () => {
      let received = 0;
      for await (const { part } of program.client.downloadDocument(
        { documentId },
        as(tenantA, { timeoutMs: 600_000 }),
      )) {
        if (part.case === 'data') received += part.value.length;
      }
      expect(received).to.equal(uploadBytes);
    });
    expect((whileDownloading - idle) / MiB, 'MiB above idle, downloading').to.be.at.most(allowedGrowthMiB);

    const seen = await collect(program.client.watchDocument({ documentId }, as(tenantA)));
    expect(seen.at(-1)?.document).to.include({ state: DocumentState.FAILED });
    expect(seen.at(-1)?.document?.failure?.reason).to.equal('TEXT_TOO_LARGE');
  }).timeout(600_000);
});
