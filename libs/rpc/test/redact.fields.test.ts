import { create } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { EmbedRequestSchema, EmbedResponseSchema } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import {
  ListDocumentsResponseSchema,
  UploadDocumentRequestSchema,
} from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { redact } from '../src/index.ts';
import { documentId, secret } from './support/platform.ts';

describe('redact', () => {
  it('drops fields with debug_redact and keeps the others', () => {
    const request = create(EmbedRequestSchema, { texts: [secret], kind: 2 });
    expect(redact(EmbedRequestSchema, request)).deep.equal({ kind: 'EMBED_KIND_QUERY' });
    expect(request.texts).deep.equal([secret]);
  });

  it('drops them inside of lists and oneofs', () => {
    const list = create(ListDocumentsResponseSchema, { documents: [{ documentId, title: secret, fileName: secret }] });
    expect(redact(ListDocumentsResponseSchema, list)).deep.equal({ documents: [{ documentId }] });
    const upload = create(UploadDocumentRequestSchema, {
      part: { case: 'metadata', value: { fileName: secret, idempotencyKey: 'k' } },
    });
    expect(redact(UploadDocumentRequestSchema, upload)).deep.equal({ metadata: { idempotencyKey: 'k' } });
    const vectors = create(EmbedResponseSchema, { embeddings: [{ values: [1] }], modelId: 'm', dimensions: 1 });
    expect(redact(EmbedResponseSchema, vectors)).deep.equal({ modelId: 'm', dimensions: 1 });
  });

  it('drops fields that it does not know', () => {
    const request = create(EmbedRequestSchema, { kind: 2 });
    request.$unknown = [{ no: 99, wireType: 2, data: Buffer.from(secret) }];
    expect(JSON.stringify(redact(EmbedRequestSchema, request))).not.include('Abernathy');
  });
});
