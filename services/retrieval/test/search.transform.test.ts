import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { sealTitle } from '../src/adapters/seals.ts';
import { currentSpace, spaceOfVersion, type TenantSpace } from '../src/adapters/tenant-space.ts';
import { insertChunks, insertVectors, replaceDocument } from '../src/db/documents.ts';
import { findNearest, findNearestByBits, planForTenant, type NearHit } from '../src/db/nearest-chunks.ts';
import { type Harness, modelId, openHarness, seededVector } from './support/harness.ts';
import { seededRandom } from './support/plain-bm25.ts';

const count = 10_000;
const perDocument = 500;

/** Near enough to some of the others to have real neighbours, as embeddings have. */
function clustered(seed: number): Float32Array {
  const [centre, noise] = [seededVector(seed % 200), seededVector(1_000 + seed)];
  const share = 0.35 + 0.5 * seededRandom(seed)();
  const sum = centre.map((value, at) => share * value + (1 - share) * (noise[at] ?? 0));
  const length = Math.hypot(...sum);
  return sum.map((value) => value / length);
}

/** How far the cosine of two stored vectors may be from that of the vectors before they were rounded: measured, 5e-5 each. */
const halfvecRounding = 1e-4;

function cosine(one: Float32Array, other: Float32Array): number {
  return one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
}

describe('search over 10,000 vectors: the transform', () => {
  let harness: Harness;
  const tenantId = uuidv7();
  const documents = Array.from({ length: count / perDocument }, () => [uuidv7(), uuidv7()] as const);
  before(async function () {
    this.timeout(120_000);
    harness = await openHarness();
    const spaces = [
      await spaceOfVersion(harness.deps.keys, tenantId, 0),
      await currentSpace(harness.deps.keys, tenantId),
    ];
    // Each vector stands in two documents: as the model made it, and in the tenant's space.
    for (const [number, pair] of documents.entries()) {
      const vectors = Array.from({ length: perDocument }, (_, at) => clustered(number * perDocument + at));
      for (const [at, space] of spaces.entries()) await write(pair[at] ?? '', space, vectors);
    }
  });
  after(() => harness.close());

  async function write(documentId: string, space: TenantSpace, vectors: readonly Float32Array[]): Promise<void> {
    const head = { tenantId, documentId, version: 1, contentKeyVersion: 1, chunkCount: vectors.length };
    const titleSealed = await sealTitle(harness.deps.keys, tenantId, documentId, 'Title');
    const rest = { titleSealed, labelsSealed: undefined, termsKeyVersion: undefined };
    // Nothing is opened here: any sealed value will do for the passages.
    const rows = vectors.map((vector, ordinal) => ({
      ...{ ordinal, passageSealed: titleSealed, contentKeyVersion: 1, vector: space.enter(vector) },
    }));
    await harness.database.inTenant(tenantId, async (tx) => {
      await replaceDocument(tx, { ...head, ...rest });
      await insertChunks(tx, head, rows);
      await insertVectors(tx, head, { modelId, vectorKeyVersion: space.keyVersion }, rows);
    });
  }

  /** Which vectors were found, by number, in order. */
  async function found(keyVersion: number, question: Float32Array, limit: number, coarse?: number): Promise<number[]> {
    const space = await spaceOfVersion(harness.deps.keys, tenantId, keyVersion);
    const query = {
      ...{ tenantId, modelId, limit, vectorKeyVersion: keyVersion, documentIds: undefined },
      vector: space.enter(question),
    };
    const hits: NearHit[] = await harness.database.inTenant(tenantId, async (tx) => {
      await planForTenant(tx);
      return coarse === undefined ? findNearest(tx, query) : findNearestByBits(tx, query, coarse);
    });
    const side = keyVersion === 0 ? 0 : 1;
    const numbers = new Map(documents.map((pair, number) => [pair[side], number]));
    return hits.map(({ documentId, ordinal }) => (numbers.get(documentId) ?? -1) * perDocument + ordinal);
  }

  const questions = Array.from({ length: 10 }, (_, at) => clustered(500_000 + at));

  it('gives the same ids in the same order as without it, but for neighbours that the rounding of halfvec cannot tell apart', async () => {
    let exchanged = 0;
    for (const question of questions) {
      const clear = await found(0, question, 10);
      expect(new Set(clear).size).to.equal(10);
      const transformed = await found(1, question, 10);
      for (const [at, number] of transformed.entries()) {
        const other = clear[at] ?? -1;
        if (number === other) continue;
        exchanged += 1;
        const cosines = [number, other].map((which) => cosine(question, clustered(which)));
        expect(Math.abs((cosines[0] ?? 0) - (cosines[1] ?? 1))).to.be.lessThan(halfvecRounding);
      }
    }
    expect(exchanged).to.be.lessThan(questions.length);
  }).timeout(60_000);

  it('finds by bits nearly all that an exact scan finds, all of them when every one is compared, and never fewer', async () => {
    let [same, all] = [0, 0];
    for (const question of questions) {
      const exact = await found(1, question, 10);
      const near = await found(1, question, 10, 1_000);
      same += near.filter((number) => exact.includes(number)).length;
      all += exact.length;
      expect(near).to.have.length(10);
      expect(await found(1, question, 10, count)).to.deep.equal(exact);
    }
    expect(same / all).to.be.greaterThan(0.95);
    expect(await found(1, questions[0] ?? seededVector(1), 1_500, 1_000)).to.have.length(1_500);
  }).timeout(120_000);
});
