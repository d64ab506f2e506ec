import type { World } from './world.ts';

/** The API's description as it is served: OpenAPI 3.1 first, then 3.0. `T` is what the caller looks at. */
export async function describedBy<T>({ url }: Pick<World, 'url'>): Promise<T[]> {
  const paths = ['/openapi.json', '/openapi-3.0.json'];
  return Promise.all(paths.map(async (path) => (await (await fetch(`${url}${path}`)).json()) as T));
}
