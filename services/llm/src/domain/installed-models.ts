import { AppError } from '@wardstone/rpc';
import type { AnswerModel, AnswerModels, ModelCard } from '../ports.ts';

/** The models that an installation has. An empty name, an alias or an id picks one; the first that has the alias. */
export function createModels(
  installed: readonly { readonly card: ModelCard; readonly model: AnswerModel }[],
): AnswerModels {
  return {
    known: installed.map(({ card }) => card),
    pick(wanted) {
      const found = installed.find(({ card }) => card.id === wanted || card.aliases.some((alias) => alias === wanted));
      if (found === undefined) throw new AppError('MODEL_NOT_ALLOWED');
      return found.model;
    },
  };
}
