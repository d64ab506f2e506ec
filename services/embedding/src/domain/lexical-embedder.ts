/**
 * A deterministic embedding without a trained model: words and the character n-grams of rare words are hashed into 1024
 * dimensions with signs, weighted by how often they stand in the text (saturating, as in BM25) and by how rare they are in
 * medical English. Texts that share rare words come out near each other. It knows no synonyms.
 */
import { setImmediate } from 'node:timers/promises';
import type { EmbeddingKind, EmbeddingModel } from '../ports.ts';
import { listedRarity } from './general-english.ts';
import { normalise } from './unit-vector.ts';
import { noUsage } from './usage.ts';
import { stemOf, wordsOf } from './words.ts';

/** Changes whenever the vectors do. */
export const lexicalModelId = 'wardstone-lexical-1';

const dimensions = 1024;

/**
 * Places that one feature is spread over. With one place, a collision of two words counts as a full match; over a dozen,
 * it is a twelfth of one, and nDCG@10 on SciFact rises from .62 to .66.
 */
const copies = 12;
/** Rarity, in the units of the table, of a word that is not listed. */
const maxRarity = 7;
/** How fast repetition stops to count (BM25's k1; higher than there, because repeated words stand out of the noise). */
const saturation = 3;
/** Strongest features kept of a passage: what is dropped would mostly be noise for all the others. */
const maxPassageFeatures = 150;
/**
 * Corrections of a passage's vector by which each of its words comes to read its own weight, undisturbed by the others
 * that share its places (Landweber iteration). Three bring nDCG@10 on COVID-QA from .65 to .67; more bring nothing.
 */
const corrections = 3;
const correctionStep = 0.7;
/** Weight of all character n-grams of a word together, beside the word's own. */
const gramWeight = 0.25;
const gramLength = 4;
const minWordLengthForGrams = 6;
const minRarityForGrams = 0.55;
/** Texts after which the event loop is let through. */
const textsPerTurn = 16;

/** The embedded model. Pure computation: about 0.6 ms for a passage of 200 words. */
export function createLexicalEmbedder(): EmbeddingModel {
  return {
    id: lexicalModelId,
    dimensions,
    metered: false,
    async embed(texts, kind, { signal }) {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        if (vectors.length % textsPerTurn === 0) {
          await setImmediate();
          signal?.throwIfAborted();
        }
        vectors.push(embedText(text, kind));
      }
      return { vectors, usage: noUsage };
    },
  };
}

/** The vector of one text: 1024 components, unit length. */
export function embedText(text: string, kind: EmbeddingKind): Float32Array {
  const vector = new Float32Array(dimensions);
  const features = strongestFeatures(text, kind).map(([feature, weight]) => ({ places: placesOf(feature), weight }));
  for (const { places, weight } of features) add(vector, places, weight);
  for (let round = 0; kind === 'passage' && round < corrections; round += 1) {
    const errors = features.map(({ places, weight }) => weight - read(vector, places));
    features.forEach(({ places }, index) => add(vector, places, (errors[index] ?? 0) * correctionStep));
  }
  // A text always has a feature, so that there is a direction.
  return normalise(vector) ?? vector;
}

function strongestFeatures(text: string, kind: EmbeddingKind): [feature: string, weight: number][] {
  const features = weigh(text, kind);
  if (kind === 'query' || features.length <= maxPassageFeatures) return features;
  // Ties by name, so that the choice is the same on every machine.
  features.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return features.slice(0, maxPassageFeatures);
}

function weigh(text: string, kind: EmbeddingKind): [feature: string, weight: number][] {
  const found = new Map<string, { count: number; readonly weight: number }>();
  const count = (feature: string, weight: number) => {
    const known = found.get(feature);
    if (known) known.count += 1;
    else found.set(feature, { count: 1, weight });
  };
  for (const word of wordsOf(text)) {
    const stem = stemOf(word);
    const rarity = rarityOf(stem);
    count(stem, rarity);
    if (word.length < minWordLengthForGrams || rarity <= minRarityForGrams) continue;
    const marked = `^${stem}`;
    const grams = marked.length - gramLength + 1;
    for (let at = 0; at < grams; at += 1) {
      // '#' keeps n-grams apart from words: no word holds it.
      count(`#${marked.slice(at, at + gramLength)}`, (gramWeight * rarity) / Math.sqrt(grams));
    }
  }
  // A text of punctuation alone still needs a vector of unit length: it is its own only feature.
  if (found.size === 0) return [[`#${text.trim()}`, 1]];
  return [...found].map(([feature, { count: times, weight }]) => [
    feature,
    kind === 'query' ? weight : (weight * times * (saturation + 1)) / (times + saturation),
  ]);
}

/** Rarity of a stem, from 0.01 to 1. */
function rarityOf(stem: string): number {
  const rarity = (listedRarity.get(stem) ?? guessedRarity(stem)) / maxRarity;
  return Math.min(1, Math.max(0.01, rarity));
}

/** Short tokens and bare numbers (list marks, units, table cells) are common although no table lists them all. */
function guessedRarity(stem: string): number {
  if (stem.length === 1) return maxRarity * 0.35;
  if (stem.length === 2) return maxRarity * 0.5;
  return /^\p{N}/u.test(stem) ? maxRarity * 0.8 : maxRarity;
}

/** Where a feature stands: the lowest bit is its sign, the others the component. */
function placesOf(feature: string): Uint32Array {
  const hash = fnv1a(feature);
  const places = new Uint32Array(copies);
  for (let copy = 0; copy < copies; copy += 1) {
    places[copy] = avalanche((hash + Math.imul(copy, 0x9e3779b9)) >>> 0) % (2 * dimensions);
  }
  return places;
}

function add(vector: Float32Array, places: Uint32Array, weight: number): void {
  const share = weight / Math.sqrt(copies);
  for (const place of places) {
    const at = place >>> 1;
    vector[at] = (vector[at] ?? 0) + ((place & 1) === 1 ? share : -share);
  }
}

function read(vector: Float32Array, places: Uint32Array): number {
  let sum = 0;
  for (const place of places) sum += (place & 1) === 1 ? (vector[place >>> 1] ?? 0) : -(vector[place >>> 1] ?? 0);
  return sum / Math.sqrt(copies);
}

/** FNV-1a over UTF-16 code units. Not a secret: the vectors count as PHI and are guarded as such. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/** MurmurHash3's finaliser: every bit of the input changes every bit of the result with even odds. */
function avalanche(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
