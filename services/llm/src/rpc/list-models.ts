import type { SettingsDeps } from '../ports.ts';

/** The models that this installation may use; the same for every tenant. */
export function listModels({ models }: Pick<SettingsDeps, 'models'>) {
  return () => ({
    models: models.known.map(({ id, aliases, contextTokens, maxOutputTokens, prices }) => ({
      modelId: id,
      aliases: [...aliases],
      contextTokens,
      maxOutputTokens,
      ...(prices === undefined
        ? {}
        : {
            prices: {
              input: BigInt(prices.input),
              output: BigInt(prices.output),
              cacheRead: BigInt(prices.cacheRead),
              cacheWrite: BigInt(prices.cacheWrite),
            },
          }),
    })),
  });
}
