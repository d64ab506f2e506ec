import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import type { RouteDeps } from '../deps.ts';
import { type Route, route } from '../route.ts';
import { modelListSchema } from '../schemas/model.ts';
import { needsCompletions } from './completions-enabled.ts';
import { closedTenant } from './refusals.ts';

/** The models that completions may name, in OpenAI's form. */
export function modelsRoute(deps: Pick<RouteDeps, 'services'>): Route {
  return route({
    method: 'GET',
    path: '/v1/models',
    access: { rpc: AnswerSettingsService.method.listModels },
    operationId: 'listModels',
    summary: 'List the models',
    description: [
      "The models that may be used here, in the form of OpenAI's list; not in pages. Off, like the completions, until the tenant's",
      'settings turn it on. Needs the permission `answer-settings` `read` as well.',
    ].join(' '),
    tag: 'Completions',
    success: { status: 200, description: 'The models.', json: modelListSchema, name: 'ModelList' },
    problems: ['COMPLETIONS_DISABLED', ...closedTenant, 'DATABASE_UNAVAILABLE'],
    handle: async (call) => {
      await needsCompletions(deps, call);
      const { models } = await deps.services.answerSettings.listModels({}, call.as());
      const data = models.flatMap(({ modelId, aliases, contextTokens, maxOutputTokens }) =>
        [...aliases, modelId].map((id) => ({
          ...{ id, object: 'model', created: 0, owned_by: 'wardstone' },
          wardstone: { modelId, contextTokens, maxOutputTokens },
        })),
      );
      return { object: 'list', data };
    },
  });
}
