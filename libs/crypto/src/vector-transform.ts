/**
 * A keyed orthogonal transform of embeddings: what is stored and searched is a rotation of space that only the tenant's
 * `vectors` key gives. Own code, because no package keys a Walsh–Hadamard transform; the parts are standard (AES-CTR, Fisher–Yates).
 *
 * Defence in depth, not encryption: distances are kept on purpose, and about as many known pairs of clear and transformed
 * vectors as there are dimensions give the transform away.
 */
import { createCipheriv } from 'node:crypto';
import { needs } from '@wardstone/rpc';

/** Enough rounds for every component to depend on every other under every key. */
const rounds = 3;
const keyBytes = 32;

interface Round {
  /** +1 or -1 for each component. */
  readonly signs: Float32Array;
  /** Component i of the output is component `order[i]` of the input. */
  readonly order: Uint32Array;
}

/** A transform of vectors of one length. Inner products, L2 norms and distances stay what they were, to float error. */
export interface VectorTransform {
  readonly dimensions: number;
  /** The transformed vector, a new one. Thrown: INTERNAL when the length is another. */
  apply(vector: Float32Array): Float32Array;
  /** The vector that `apply` was given. Thrown: INTERNAL when the length is another. */
  invert(vector: Float32Array): Float32Array;
}

/**
 * The transform of a key: `rounds` times sign flips, a permutation and a Walsh–Hadamard transform scaled by 1/√d.
 * Signs and permutations are drawn from AES-256-CTR under the key with a zero counter block, for each round first `d/8` bytes
 * of signs (least significant bit first, 1 is minus), then a Fisher–Yates shuffle from the end with big-endian 32-bit
 * draws, those above the greatest multiple of the bound drawn again.
 * Thrown: INTERNAL when the key is not 32 bytes, or `dimensions` is no power of two from 8 to 65,536.
 */
export function createVectorTransform(key: Uint8Array, dimensions: number): VectorTransform {
  needs(key.byteLength === keyBytes, 'INTERNAL', { message: 'a vectors key has 32 bytes' });
  const isPowerOfTwo = Number.isInteger(dimensions) && (dimensions & (dimensions - 1)) === 0;
  needs(isPowerOfTwo && dimensions >= 8 && dimensions <= 65_536, 'INTERNAL', { message: 'dimensions: a power of two' });
  const draw = keyStream(key);
  const plan = Array.from({ length: rounds }, () => drawRound(draw, dimensions));
  const check = (vector: Float32Array): void => {
    needs(vector.length === dimensions, 'INTERNAL', { message: 'a vector of another length' });
  };
  return {
    dimensions,
    apply(vector) {
      check(vector);
      return plan.reduce((input, { signs, order }) => {
        const output = new Float32Array(dimensions);
        for (let at = 0; at < dimensions; at += 1) {
          const from = order[at] ?? 0;
          output[at] = (input[from] ?? 0) * (signs[from] ?? 0);
        }
        return walshHadamard(output);
      }, vector);
    },
    invert(vector) {
      check(vector);
      return plan.reduceRight((input, { signs, order }) => {
        const mixed = walshHadamard(Float32Array.from(input));
        const output = new Float32Array(dimensions);
        for (let at = 0; at < dimensions; at += 1) {
          const to = order[at] ?? 0;
          output[to] = (mixed[at] ?? 0) * (signs[to] ?? 0);
        }
        return output;
      }, vector);
    },
  };
}

/** Gives the next n bytes of the key's stream. */
type Draw = (bytes: number) => Buffer;

/** Bytes made at a time: a call of the cipher costs more than the few bytes of a draw. */
const streamBlock = 16 * 1024;

function keyStream(key: Uint8Array): Draw {
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  let rest = Buffer.alloc(0);
  return (bytes) => {
    while (rest.length < bytes) rest = Buffer.concat([rest, cipher.update(Buffer.alloc(streamBlock))]);
    const drawn = rest.subarray(0, bytes);
    rest = rest.subarray(bytes);
    return drawn;
  };
}

function drawRound(draw: Draw, dimensions: number): Round {
  const bits = draw(dimensions / 8);
  const signs = Float32Array.from({ length: dimensions }, (_, at) => (((bits[at >> 3] ?? 0) >> (at & 7)) & 1 ? -1 : 1));
  const order = Uint32Array.from({ length: dimensions }, (_, at) => at);
  for (let last = dimensions - 1; last > 0; last -= 1) {
    const other = drawBelow(draw, last + 1);
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return { signs, order };
}

/** A uniform number from 0 to bound - 1. */
function drawBelow(draw: Draw, bound: number): number {
  const accepted = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    const number = draw(4).readUInt32BE();
    if (number < accepted) return number % bound;
  }
}

/** In place, scaled so that lengths stay: its own inverse. */
function walshHadamard(vector: Float32Array): Float32Array {
  const size = vector.length;
  for (let half = 1; half < size; half *= 2) {
    for (let block = 0; block < size; block += half * 2) {
      for (let at = block; at < block + half; at += 1) {
        const low = vector[at] ?? 0;
        const high = vector[at + half] ?? 0;
        vector[at] = low + high;
        vector[at + half] = low - high;
      }
    }
  }
  const scale = 1 / Math.sqrt(size);
  for (let at = 0; at < size; at += 1) vector[at] = (vector[at] ?? 0) * scale;
  return vector;
}
