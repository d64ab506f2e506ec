/** What every embedding model has to do, whatever makes its vectors. */
import { expect } from 'chai';
import type { EmbeddingKind, EmbeddingModel } from '../../src/ports.ts';

const metformin = 'Metformin 500 mg was started twice daily for type 2 diabetes; the haemoglobin A1c fell to 6.9 %.';
const fracture = 'An X-ray of the left wrist shows a distal radius fracture without displacement. A cast was applied.';
const kinds = ['passage', 'query'] as const;

/** To be called inside `describe`. */
export function embeddingModelContract(modelOf: () => EmbeddingModel): void {
  const embed = async (texts: readonly string[], kind: EmbeddingKind = 'passage') =>
    (await modelOf().embed(texts, kind, { tenantId: 'tenant-a' })).vectors;

  it('says what it is', () => {
    const { id, dimensions, metered } = modelOf();
    // The audit log and the index take no other ids.
    expect(id).to.match(/^[A-Za-z0-9_.:/-]{1,128}$/);
    expect(dimensions).to.equal(1024);
    expect(metered).to.be.a('boolean');
  });

  it('makes vectors of its size and of unit length, whatever the text', async () => {
    const texts = [metformin, '?!', 'a', '高血圧の治療', '\u{1F600}', 'the of and', '\ud800 lone surrogate', ' \n\t'];
    for (const kind of kinds) {
      for (const vector of await embed(texts, kind)) {
        expect(vector).to.have.length(modelOf().dimensions);
        expect(lengthOf(vector)).to.be.closeTo(1, 1e-5);
      }
    }
  });

  it('makes one for each text, in order, and none of none', async () => {
    const both = await embed([metformin, fracture]);
    expect(both).to.deep.equal([...(await embed([metformin])), ...(await embed([fracture]))]);
    expect(both[0]).not.to.deep.equal(both[1]);
    expect(await embed([])).to.deep.equal([]);
  });

  it('makes the same of the same text', async () => {
    for (const kind of kinds) {
      const vectors = await embed([metformin, metformin, fracture, metformin], kind);
      for (const at of [1, 3]) expect(vectors[at]).to.deep.equal(vectors[0]);
    }
  });

  it('keeps the order of many', async () => {
    const texts = Array.from({ length: 200 }, (_, index) => `Passage number ${String(index)} of many.`);
    const vectors = await embed(texts);
    expect(vectors).to.have.length(200);
    for (const at of [0, 57, 199]) expect(vectors[at]).to.deep.equal((await embed([texts[at] ?? '']))[0]);
  });

  it('embeds the whole of a text that is longer than any model takes', async () => {
    const long = `${fracture} `.repeat(700) + `${metformin} `.repeat(10);
    expect(long.length).to.be.greaterThan(60_000);
    const [whole, head] = await embed([long, long.slice(0, 3_000)]);
    expect(lengthOf(whole ?? new Float32Array())).to.be.closeTo(1, 1e-5);
    // What stands at the end has its part in the vector.
    expect(whole).not.to.deep.equal(head);
    const [end] = await embed([metformin]);
    expect(cosine(whole, end)).to.be.greaterThan(cosine(head, end));
  });

  it('brings a question nearer to the passage that answers it', async () => {
    const [question] = await embed(['metformin 500 mg twice daily?'], 'query');
    const [right, wrong] = await embed([metformin, fracture]);
    expect(cosine(question, right)).to.be.greaterThan(cosine(question, wrong) + 0.05);
  });

  it('says what it took: something when it is metered, nothing when not', async () => {
    const { usage } = await modelOf().embed([metformin, fracture], 'passage', { tenantId: 'tenant-a' });
    expect(usage.inputTokens > 0).to.equal(modelOf().metered);
    expect(usage.costMicroUsd > 0).to.equal(modelOf().metered);
  });

  it('begins nothing when the signal has fired, and says its reason', async () => {
    const signal = AbortSignal.abort(new Error('left'));
    const caught: unknown = await modelOf()
      .embed([metformin], 'query', { tenantId: 'tenant-a', signal })
      .catch((error: unknown) => error);
    expect(caught).to.have.property('message', 'left');
  });

  it('stops when the signal fires on the way', async () => {
    const controller = new AbortController();
    const texts = Array.from({ length: 1_000 }, (_, index) => `${metformin} ${String(index)}`);
    const work = modelOf().embed(texts, 'passage', { tenantId: 'tenant-a', signal: controller.signal });
    setImmediate(() => controller.abort(new Error('left')));
    expect(await work.catch((error: unknown) => error)).to.have.property('message', 'left');
  });
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(cosine(vector, vector));
}

function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  return [...(a ?? [])].reduce((sum, value, index) => sum + value * (b?.[index] ?? 0), 0);
}
