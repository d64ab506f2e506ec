import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import type { RouteDeps } from '../deps.ts';
import { type Route, route } from '../route.ts';
import { usageQuery, usageSchema } from '../schemas/usage.ts';
import { toUsage } from '../wire/answer-settings.ts';
import { closedTenant } from './refusals.ts';

/** What the tenant's answers used and cost. */
export function usageRoute({ services: { answerSettings } }: Pick<RouteDeps, 'services'>): Route {
  return route({
    method: 'GET',
    path: '/v1/usage',
    access: { rpc: AnswerSettingsService.method.getUsage },
    operationId: 'getUsage',
    summary: 'Get the usage of a month',
    description: "What the answers of the caller's tenant used in a calendar month, by model, and what that cost.",
    tag: 'Settings',
    query: usageQuery,
    success: { status: 200, description: 'The usage.', json: usageSchema, name: 'Usage' },
    problems: [...closedTenant, 'DATABASE_UNAVAILABLE'],
    handle: async ({ query: { month = '' }, as }) => toUsage(await answerSettings.getUsage({ month }, as())),
  });
}
