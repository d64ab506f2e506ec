import { z } from 'zod';

/** One server-sent event of a stream, by name, as it is described: `data` is sent as JSON on one line. */
export function eventOf<Name extends string, Data extends z.ZodType>(name: Name, description: string, data: Data) {
  return z
    .object({ event: z.literal(name).meta({ description: 'Name of the event.' }), data })
    .meta({ description: `Event \`${name}\`. ${description}` });
}
