import { readFileSync } from 'node:fs';

/** The cards that come with the service, as text: `models/cards.json`. */
export function defaultCardsText(): string {
  return readFileSync(new URL('../../models/cards.json', import.meta.url), 'utf8');
}
