/** What a service without a database has to say of money and conversations: it counts none, and there are none. */
import { AppError } from '@wardstone/rpc';
import type { Conversations, UsageLedger } from '../ports.ts';

/** For models that cost nothing: everybody is admitted. */
export function unmetered(): UsageLedger {
  return { admit: () => Promise.resolve(), count: () => Promise.resolve() };
}

/** No question goes on with another. */
export function noConversations(): Conversations {
  return { open: () => Promise.reject(new AppError('CONVERSATION_NOT_FOUND')) };
}
