import { readFileSync } from 'node:fs';
import { ConfigError } from '@wardstone/config';
import { type Cards, cardsSchema } from '../domain/model-cards.ts';

/** The cards that come with the service, as text: `models/cards.json`. */
export function defaultCardsText(): string {
  return readFileSync(new URL('../../models/cards.json', import.meta.url), 'utf8');
}

/** Reads the cards of an installation. Thrown: ConfigError listing every problem. */
export function loadCards(file: string | undefined): Cards {
  const parsed = cardsSchema.safeParse(file === undefined ? JSON.parse(defaultCardsText()) : jsonIn(file));
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map(
      ({ path, message }) => `WARDSTONE_LLM_CARDS_FILE: ${path.map(String).join('.') || 'the file'} ${message}`,
    ),
  );
}

function jsonIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch {
    throw new ConfigError(['WARDSTONE_LLM_CARDS_FILE: its file cannot be read, or is not JSON']);
  }
}
