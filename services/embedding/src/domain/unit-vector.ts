/** A vector and how much it counts. */
export interface Weighted {
  readonly vector: Float32Array;
  /** Above 0. */
  readonly weight: number;
}

/** The vector at unit length (L2), or undefined when it has no direction: all zero, or not finite. */
export function normalise(vector: Float32Array): Float32Array | undefined {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  return Number.isFinite(length) && length > 0 ? vector.map((value) => value / length) : undefined;
}

/**
 * The weighted mean of vectors of one size, at unit length; parts that cancel each other out leave the heaviest. At least one
 * has to be given.
 */
export function meanDirection(parts: readonly Weighted[]): Float32Array {
  const [first, ...others] = parts;
  if (first === undefined) throw new RangeError('a mean needs a vector');
  if (others.length === 0) return first.vector;
  const sum = new Float32Array(first.vector.length);
  for (const { vector, weight } of parts) {
    for (const [at, value] of vector.entries()) sum[at] = (sum[at] ?? 0) + value * weight;
  }
  const heaviest = parts.reduce((a, b) => (b.weight > a.weight ? b : a));
  return normalise(sum) ?? heaviest.vector;
}

/** The vector with zeros behind it, up to a size: lengths, cosines and distances of vectors so filled stay what they were. */
export function padTo(vector: Float32Array, dimensions: number): Float32Array {
  if (vector.length === dimensions) return vector;
  const padded = new Float32Array(dimensions);
  padded.set(vector);
  return padded;
}
