import type { RouteDeps } from '../deps.ts';
import type { Route } from '../route.ts';
import { answerSettingsRoutes } from './answer-settings.ts';
import { answersRoute } from './answers.ts';
import { auditEventsRoute } from './audit-events.ts';
import { chatCompletionsRoute } from './chat-completions.ts';
import { conversationRoutes } from './conversations.ts';
import { contentRoute } from './document-content.ts';
import { eventsRoute } from './document-events.ts';
import { documentRoutes } from './documents.ts';
import { keyRotationRoutes } from './key-rotations.ts';
import { meRoute } from './me.ts';
import { modelRoutes } from './models.ts';
import { offboardingRoutes } from './offboarding.ts';
import { searchRoute } from './search.ts';
import { suspensionRoutes } from './tenant-suspension.ts';
import { tenantRoutes } from './tenants.ts';
import { uploadRoute } from './upload-document.ts';
import { usageRoute } from './usage.ts';

/** Every operation of the API. */
export function allRoutes(deps: RouteDeps): Route[] {
  const routes = [
    uploadRoute(deps),
    ...documentRoutes(deps),
    eventsRoute(deps),
    contentRoute(deps),
    searchRoute(deps),
    answersRoute(deps),
    chatCompletionsRoute(deps),
    ...modelRoutes(deps),
    ...conversationRoutes(deps),
    ...answerSettingsRoutes(deps),
    usageRoute(deps),
    ...tenantRoutes(deps),
    ...suspensionRoutes(deps),
    ...keyRotationRoutes(deps),
    ...offboardingRoutes(deps),
    auditEventsRoute(deps),
  ];
  const accesses = routes.map(({ access }) => access);
  return [...routes, meRoute(deps.policy, accesses)];
}
