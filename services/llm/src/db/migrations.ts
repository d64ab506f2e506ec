/** The migrations of schema `llm`, oldest first. A migration that ran anywhere is never changed. */
import type { MigrationClass } from '@wardstone/db';
import { CreateAnswerSettings1795800000000 } from './1795800000000-create-answer-settings.ts';
import { CreateUsage1795800001000 } from './1795800001000-create-usage.ts';
import { CreateConversations1795800002000 } from './1795800002000-create-conversations.ts';

export const migrations: readonly MigrationClass[] = [
  CreateAnswerSettings1795800000000,
  CreateUsage1795800001000,
  CreateConversations1795800002000,
];
