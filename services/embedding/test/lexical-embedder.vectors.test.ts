import { expect } from 'chai';
import { createLexicalEmbedder, embedText } from '../src/domain/lexical-embedder.ts';
import type { EmbeddingKind } from '../src/ports.ts';
import { stemOf, wordsOf } from '../src/domain/words.ts';

const model = createLexicalEmbedder();
const tenantId = 'tenant-a';
const embed = async (texts: readonly string[], kind: EmbeddingKind) =>
  (await model.embed(texts, kind, { tenantId })).vectors;
const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

const metformin = 'Metformin 500 mg was started twice daily for type 2 diabetes; the haemoglobin A1c fell to 6.9 %.';
const fracture = 'An X-ray of the left wrist shows a distal radius fracture without displacement. A cast was applied.';

describe('lexical embedder: vectors', () => {
  it('have 1024 components and unit length, whatever the text', async () => {
    const texts = [
      metformin,
      '?!',
      'a',
      '高血圧の治療',
      '\u{1F600}',
      'x'.repeat(50_000),
      'the of and',
      '\ud800 lone surrogate',
    ];
    for (const kind of ['passage', 'query'] as const) {
      for (const vector of await embed(texts, kind)) {
        expect(vector).to.have.length(1024);
        expect(Math.sqrt(cosine(vector, vector))).to.be.closeTo(1, 1e-5);
      }
    }
  });

  it('are the same for the same text, in any batch', async () => {
    const [alone] = await embed([metformin], 'passage');
    const [, second] = await embed([fracture, metformin], 'passage');
    expect(second).to.deep.equal(alone);
  });

  it('keep the exact values that stored vectors were made with', () => {
    // A change here needs a new model id: vectors in the index would no longer fit the queries.
    const vector = embedText('metformin for type 2 diabetes', 'passage');
    const largest = [...vector.entries()].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 4);
    expect(largest.map(([index, value]) => [index, Number(value.toFixed(4))])).to.deep.equal([
      [299, -0.1714],
      [400, -0.1714],
      [603, -0.1714],
      [622, 0.1714],
    ]);
  });

  it('bring a question nearer to the passage that answers it', async () => {
    const [question] = await embed(['Which dose of metformin does the patient take?'], 'query');
    const [right, wrong] = await embed([metformin, fracture], 'passage');
    if (!question || !right || !wrong) throw new Error('no vectors');
    expect(cosine(question, right)).to.be.greaterThan(cosine(question, wrong) + 0.05);
  });

  it('let rare words weigh more than common ones', () => {
    const passage = embedText('The patient was seen for pheochromocytoma.', 'passage');
    const rare = cosine(embedText('pheochromocytoma', 'query'), passage);
    const common = cosine(embedText('patient was seen for', 'query'), passage);
    expect(rare).to.be.greaterThan(common);
  });

  it('find an inflected word', () => {
    const passage = embedText('Two fractures were treated.', 'passage');
    expect(cosine(embedText('fracture treatment', 'query'), passage)).to.be.greaterThan(0.4);
  });

  it('stop when the signal fires', async () => {
    const caught = await model
      .embed([metformin], 'passage', { tenantId, signal: AbortSignal.abort(new Error('left')) })
      .catch((error: unknown) => error);
    expect(caught).to.have.property('message', 'left');
  });
});

describe('words', () => {
  it('are normalised, lower-cased runs of letters and numbers', () => {
    expect(wordsOf('ＨｂＡ１ｃ: 6.9 %, β-blocker')).to.deep.equal(['hba1c', '6', '9', 'β', 'blocker']);
  });

  it('of scripts without blanks are pairs of characters', () => {
    expect(wordsOf('高血圧')).to.deep.equal(['高血', '血圧']);
    expect(wordsOf('癌')).to.deep.equal(['癌']);
  });

  it('are bounded in length', () => {
    expect(wordsOf('a'.repeat(1000))).to.deep.equal(['a'.repeat(64)]);
  });

  it('lose English endings only', () => {
    expect([stemOf('fractures'), stemOf('größe'), stemOf('500')]).to.deep.equal(['fractur', 'größe', '500']);
  });
});
