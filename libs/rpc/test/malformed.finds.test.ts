import { create } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { HealthListResponseSchema } from '../src/gen/grpc/health/v1/health_pb.ts';
import { ErrorInfoSchema } from '../src/gen/google/rpc/error_details_pb.ts';
import { EmbedResponseSchema } from '../src/gen/wardstone/embedding/v1/embedding_pb.ts';
import { type DocumentState, ListDocumentsResponseSchema } from '../src/gen/wardstone/ingestion/v1/ingestion_pb.ts';
import { findMalformed } from '../src/malformed.ts';

const loneSurrogate = 'a\ud800';

describe('findMalformed', () => {
  it('finds unknown enum values where no rule speaks of them: in messages, lists and maps', () => {
    const list = create(ListDocumentsResponseSchema, {
      documents: [{ state: 5 }, { state: 99 as DocumentState }],
    });
    expect(findMalformed(ListDocumentsResponseSchema, list)).deep.equal([
      { field: 'documents[1].state', description: 'must be a value that the enum defines' },
    ]);
    const map = create(HealthListResponseSchema, { statuses: { key: { status: 99 as 1 } } });
    expect(findMalformed(HealthListResponseSchema, map).map(({ field }) => field)).deep.equal(['statuses[].status']);
  });

  it('finds text that is not well-formed, in fields and in the keys and values of maps, and repeats none of it', () => {
    const list = create(ListDocumentsResponseSchema, {
      documents: [{ title: loneSurrogate, failure: { message: loneSurrogate } }],
      nextPageToken: 'fine \u{1f600}',
    });
    expect(findMalformed(ListDocumentsResponseSchema, list).map(({ field }) => field)).deep.equal([
      'documents[0].title',
      'documents[0].failure.message',
    ]);
    const info = create(ErrorInfoSchema, { metadata: { [loneSurrogate]: loneSurrogate } });
    expect(findMalformed(ErrorInfoSchema, info).map(({ field }) => field)).deep.equal(['metadata[]', 'metadata[]']);
  });

  it('finds nothing in what is well-formed', () => {
    const response = create(EmbedResponseSchema, { embeddings: [{ values: [1, 2] }], modelId: 'm' });
    expect(findMalformed(EmbedResponseSchema, response)).deep.equal([]);
  });
});
