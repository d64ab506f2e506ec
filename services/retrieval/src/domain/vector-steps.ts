/** How a tenant's vectors are read, by how many there are. */

/** Sizes at which the way of reading changes, in chunks that are asked for: all of the tenant's, or those of the documents named. */
export interface VectorSteps {
  /**
   * Up to so many every vector is compared; above, the bits of all and the vectors of the best. Measured on two cores:
   * 1 to 2 ms for each 1,000 vectors, and a quarter of that for their bits.
   */
  readonly exactMaxChunks: number;
  /** Above so many, the bits of the lists near the question, where the tenant has an index of its own. */
  readonly bitsMaxChunks: number;
}

const maxExactChunks = 24_000;
/** The scan of bits takes some 20 ms by then. */
export const defaultBitsMaxChunks = 130_000;

/** The steps, by where the last one begins. */
export function vectorSteps(bitsMaxChunks: number): VectorSteps {
  return { exactMaxChunks: Math.min(maxExactChunks, bitsMaxChunks), bitsMaxChunks };
}

/** Vectors that are compared exactly after a scan of bits. */
export const coarseCandidates = 1_000;
