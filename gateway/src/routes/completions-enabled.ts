import { AppError } from '@wardstone/rpc';
import type { RouteDeps } from '../deps.ts';
import type { RawCall } from '../route.ts';

/**
 * Lets the call pass only where its tenant has turned the OpenAI-compatible API on. Asks on the caller's own behalf: who may
 * not read the settings is refused.
 *
 * Thrown: COMPLETIONS_DISABLED; PERMISSION_DENIED.
 */
export async function needsCompletions({ services }: Pick<RouteDeps, 'services'>, { as }: Pick<RawCall, 'as'>) {
  const { settings } = await services.answerSettings.getAnswerSettings({}, as());
  if (settings?.completionsEnabled !== true) throw new AppError('COMPLETIONS_DISABLED');
}
