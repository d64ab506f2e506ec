import { needs } from '@wardstone/rpc';
import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import type { RouteDeps } from '../deps.ts';
import { type RawCall, type Route, route } from '../route.ts';
import { modelListSchema, modelParams, modelSchema } from '../schemas/model.ts';
import { needsCompletions } from './completions-enabled.ts';
import { closedTenant } from './refusals.ts';

type Deps = Pick<RouteDeps, 'services'>;

const access = { rpc: AnswerSettingsService.method.listModels };
const problems = ['COMPLETIONS_DISABLED', ...closedTenant, 'DATABASE_UNAVAILABLE'] as const;
const off =
  "Off, like the completions, until the tenant's settings turn it on. Needs the permission `answer-settings` `read` as well.";

/** The models that completions may name, in OpenAI's form: all of them, and each by its name. */
export function modelRoutes(deps: Deps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/models',
      access,
      operationId: 'listModels',
      summary: 'List the models',
      description: `The models that may be used here, in the form of OpenAI's list; not in pages. ${off}`,
      tag: 'Completions',
      success: { status: 200, description: 'The models.', json: modelListSchema, name: 'ModelList' },
      problems,
      handle: async (call) => ({ object: 'list', data: await modelsOf(deps, call) }),
    }),
    route({
      method: 'GET',
      path: '/v1/models/{model}',
      access,
      operationId: 'getModel',
      summary: 'Read a model',
      description: `A model that may be used here, by its alias or its id, in the form of OpenAI's. ${off}`,
      tag: 'Completions',
      params: modelParams,
      notFound: 'MODEL_UNKNOWN',
      success: { status: 200, description: 'The model.', json: modelSchema, name: 'Model' },
      problems: ['MODEL_UNKNOWN', ...problems],
      handle: async (call) => {
        const model = (await modelsOf(deps, call)).find(({ id }) => id === call.params.model);
        needs(model, 'MODEL_UNKNOWN');
        return model;
      },
    }),
  ];
}

/** Every model, once for each name that it has. */
async function modelsOf(deps: Deps, call: Pick<RawCall, 'as'>) {
  await needsCompletions(deps, call);
  const { models } = await deps.services.answerSettings.listModels({}, call.as());
  return models.flatMap(({ modelId, aliases, contextTokens, maxOutputTokens }) =>
    [...aliases, modelId].map((id) => ({
      ...{ id, object: 'model', created: 0, owned_by: 'wardstone' },
      wardstone: { modelId, contextTokens, maxOutputTokens },
    })),
  );
}
