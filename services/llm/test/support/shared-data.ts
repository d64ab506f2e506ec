import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

/** Public collections that may lie beside the repository. */
const sharedDataDir = path.resolve(import.meta.dirname, '../../../../../shared/data');

/** The lines of a JSON-lines file of the collections; undefined when it is absent. */
export function sharedLines<Line>(file: string, line: z.ZodType<Line>): Line[] | undefined {
  const place = path.join(sharedDataDir, file);
  if (!existsSync(place)) return undefined;
  return readFileSync(place, 'utf8')
    .trim()
    .split('\n')
    .map((text) => line.parse(JSON.parse(text)));
}

export const textLine = z.object({ id: z.string(), title: z.string().default(''), text: z.string() });
