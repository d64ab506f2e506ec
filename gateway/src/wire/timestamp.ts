import { type Timestamp, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';

/** An instant of a message, RFC 3339 in UTC with milliseconds; 1970 when the service left it out. */
export function toInstant(timestamp: Timestamp | undefined): string {
  return (timestamp === undefined ? new Date(0) : timestampDate(timestamp)).toISOString();
}

/** An instant of a message under the name that the API shows; nothing where the service left it out. */
export function optionalInstant<Name extends string>(
  name: Name,
  timestamp: Timestamp | undefined,
): { readonly [key in Name]?: string } {
  return timestamp === undefined ? {} : ({ [name]: toInstant(timestamp) } as { readonly [key in Name]: string });
}

/** An instant of a request as a message. */
export function fromInstant(instant: string): Timestamp {
  return timestampFromDate(new Date(instant));
}
