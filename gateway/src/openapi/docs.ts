import swagger, { type StaticDocumentSpec } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import type { Route } from '../route.ts';
import { openApiDocument } from './document.ts';

// Everything the page needs is served from the installed package: it works without the internet, and runs nothing else.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const mark =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M4 6h4l4 14 4-14 4 14 4-14h4l-6 20h-4l-4-13-4 13h-4z"/></svg>';
const wordmark = [
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 40" role="img" aria-label="Wardstone API">',
  '<text x="0" y="28" font-family="sans-serif" font-size="24" fill="#fff">Wardstone API</text></svg>',
].join('');

/** Serves the API's description: /openapi.json (3.1), /openapi-3.0.json (3.0.3), and a page to browse it at /docs. */
export async function registerDocs(
  app: FastifyInstance,
  routes: readonly Route[],
  publicUrl: string | undefined,
): Promise<void> {
  const current = openApiDocument(routes, '3.1.0', publicUrl);
  const older = openApiDocument(routes, '3.0.3', publicUrl);
  app.get('/openapi.json', () => current);
  app.get('/openapi-3.0.json', () => older);
  await app.register(async (docs) => {
    // The page reads the document through this plugin, which adds nothing to it; its types know OpenAPI's shape, ours JSON.
    const document = current as unknown as StaticDocumentSpec['document'];
    await docs.register(swagger, { mode: 'static', specification: { document } });
    await docs.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: contentSecurityPolicy,
      theme: {
        title: 'Wardstone API',
        favicon: [{ filename: 'favicon.svg', rel: 'icon', sizes: 'any', type: 'image/svg+xml', content: mark }],
      },
      logo: { type: 'image/svg+xml', content: wordmark },
      uiConfig: { deepLinking: true, tryItOutEnabled: true, validatorUrl: null },
    });
  });
}
