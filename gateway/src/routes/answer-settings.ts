import { AnswerSettingsService } from '@wardstone/rpc/gen/wardstone/llm/v1/answer_settings_pb';
import type { RouteDeps } from '../deps.ts';
import { demandedEtag, entityTag, ifMatchHeader } from '../http/entity-tag.ts';
import { type Route, route } from '../route.ts';
import { answerSettingsSchema, newAnswerSettingsSchema } from '../schemas/answer-settings.ts';
import { fromAnswerSettings, toAnswerSettings } from '../wire/answer-settings.ts';
import { closedTenant } from './refusals.ts';
import { maxJsonBytes } from './search.ts';

/** Reading and replacing how the caller's tenant is answered. */
export function answerSettingsRoutes({ services, limits }: Pick<RouteDeps, 'services' | 'limits'>): Route[] {
  const success = {
    status: 200,
    json: answerSettingsSchema,
    name: 'AnswerSettings',
    headers: { ETag: 'The etag of the settings, for If-Match.' },
  } as const;

  const get = route({
    method: 'GET',
    path: '/v1/answer-settings',
    access: { rpc: AnswerSettingsService.method.getAnswerSettings },
    operationId: 'getAnswerSettings',
    summary: 'Get the answer settings',
    description: "How the caller's tenant is answered; the defaults where nobody ever set anything.",
    tag: 'Settings',
    success: { ...success, description: 'The settings.' },
    problems: [...closedTenant, 'DATABASE_UNAVAILABLE'],
    handle: async ({ reply, as }) => {
      const { settings } = await services.answerSettings.getAnswerSettings({}, as());
      const shown = toAnswerSettings(settings);
      reply.header('ETag', entityTag(shown.etag));
      return shown;
    },
  });

  const put = route({
    method: 'PUT',
    path: '/v1/answer-settings',
    access: { rpc: AnswerSettingsService.method.updateAnswerSettings },
    operationId: 'updateAnswerSettings',
    summary: 'Replace the answer settings',
    description: 'All of them; what is left out is off. In force everywhere within five seconds.',
    tag: 'Settings',
    headers: { 'If-Match': ifMatchHeader('the settings have changed since') },
    body: {
      json: newAnswerSettingsSchema,
      name: 'NewAnswerSettings',
      maxBytes: maxJsonBytes,
      timeoutMs: limits.bodyTimeoutMs,
    },
    success: { ...success, description: 'The settings as they are now.' },
    problems: [
      'MODEL_NOT_ALLOWED',
      'GUARDRAIL_NOT_SUPPORTED',
      'SETTINGS_CHANGED',
      ...closedTenant,
      'DATABASE_UNAVAILABLE',
      'AUDIT_UNAVAILABLE',
    ],
    handle: async ({ body, request, reply, as }) => {
      const etag = demandedEtag(request.headers['if-match'], 'SETTINGS_CHANGED') ?? '';
      const wanted = { settings: fromAnswerSettings(body), etag };
      const { settings } = await services.answerSettings.updateAnswerSettings(wanted, as());
      const shown = toAnswerSettings(settings);
      reply.header('ETag', entityTag(shown.etag));
      return shown;
    },
  });

  return [get, put];
}
