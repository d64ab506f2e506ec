/** What there is of Titan Text Embeddings V2. */

/** The base model. Whatever is invoked (a provisioned throughput of it, too) makes the same vectors. */
export const titanModel = 'amazon.titan-embed-text-v2:0';

/** Sizes that it makes, the default first. */
export const titanDimensions = [1024, 512, 256] as const;
export type TitanDimensions = (typeof titanDimensions)[number];

/** Stands with every vector. Vectors of 512 dimensions are of another space than those of 1024. */
export function titanModelId(dimensions: TitanDimensions): string {
  return `${titanModel}/${String(dimensions)}`;
}
