import type { RunningServer } from '@wardstone/rpc';
import {
  DownloadDocumentRequestSchema,
  IngestionService,
} from '@wardstone/rpc/gen/wardstone/ingestion/v1/ingestion_pb';
import { create, toBinary } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { bearing } from '@wardstone/service-testing';
import { clinician, openHarness, tenantA, type Harness } from './support/harness.ts';
import { serve } from './support/server.ts';
import { upload } from './support/upload.ts';

/** Of an envelope of Connect or gRPC: one byte of flags, four of length. */
const headerBytes = 5;
const compressedFlag = 1;

describe('DownloadDocument on the wire', () => {
  let harness: Harness;
  let server: RunningServer;
  before(async () => {
    harness = await openHarness();
    server = await serve(harness);
  });
  after(async () => {
    await server.close();
    await harness.close();
  });

  it('compresses nothing, although the caller takes gzip', async () => {
    const { documentId } = await upload(harness, 'words '.repeat(40_000));
    const request = toBinary(DownloadDocumentRequestSchema, create(DownloadDocumentRequestSchema, { documentId }));
    const response = await fetch(`${server.url}/${IngestionService.typeName}/DownloadDocument`, {
      method: 'POST',
      headers: {
        'content-type': 'application/connect+proto',
        'connect-accept-encoding': 'gzip',
        authorization: `Bearer ${await bearing(clinician(tenantA))}`,
      },
      body: enveloped(request),
    });
    const flags = flagsOf(Buffer.from(await response.arrayBuffer()));
    expect(flags.length, 'metadata, four pieces and the end').to.equal(6);
    expect(flags.filter((flag) => (flag & compressedFlag) !== 0)).to.deep.equal([]);
  });
});

function enveloped(message: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function flagsOf(body: Buffer): number[] {
  const flags: number[] = [];
  for (let at = 0; at < body.length; at += headerBytes + body.readUInt32BE(at + 1)) flags.push(body.readUInt8(at));
  return flags;
}
