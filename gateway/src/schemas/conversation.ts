import { z } from 'zod';
import { answerExample, answerOutcome, citationSchema } from './answer.ts';
import { count, id, instant, name } from './fields.ts';
import { pageOf, pageQuery } from './page.ts';

const conversationExample = {
  conversationId: '01970000-0000-7000-8000-000000000005',
  title: 'How is the occlusion alarm reset?',
  turnCount: 1,
  unreadable: false,
  createdAt: '2026-11-22T09:00:00.000Z',
  updatedAt: '2026-11-22T09:02:00.000Z',
};

const conversationFields = {
  conversationId: id.meta({ description: 'Name it in `conversationId` of a question that goes on with it.' }),
  title: z.string().meta({ description: 'As it was given, or the beginning of its first question; empty until then.' }),
  turnCount: count.meta({ description: 'Turns it has had; the oldest of them may be gone.' }),
  unreadable: z.boolean().meta({
    description: 'Its title is damaged and could not be opened: it is empty, and no turns are shown.',
  }),
  createdAt: instant.meta({ description: 'When it was begun.' }),
  updatedAt: instant.meta({ description: 'When it was used last.' }),
};

/** A conversation. */
export const conversationSchema = z
  .object(conversationFields)
  .meta({ description: 'A conversation, without its turns.', examples: [conversationExample] });

const turnSchema = z
  .object({
    turn: count.meta({ description: 'Its place in the conversation, from 1.' }),
    question: z.string().meta({ description: 'The question as it was asked.' }),
    standaloneQuestion: z.string().meta({
      description: 'The question in words that need no conversation, which was searched for.',
    }),
    answer: z.string().meta({ description: 'The answer, in words.' }),
    citations: z.array(citationSchema).meta({ description: 'What bore the answer out, in its order.' }),
    outcome: answerOutcome,
    modelId: z.string().meta({ description: 'The model that answered, with its version.' }),
    unreadable: z.boolean().meta({
      description: 'It is damaged and could not be opened: question, answer and citations are empty.',
    }),
    createdAt: instant.meta({ description: 'When it was answered.' }),
  })
  .meta({ description: 'A question of a conversation with its answer.' });

/** A conversation with its turns. */
export const conversationWithTurnsSchema = z
  .object({
    ...conversationFields,
    turns: z.array(turnSchema).meta({
      description: 'Those that are kept, oldest first; the newest, where all together would be more than 3 MiB.',
    }),
  })
  .meta({
    description: 'A conversation with its turns.',
    examples: [
      {
        ...conversationExample,
        turns: [
          {
            turn: 1,
            question: 'How is the occlusion alarm reset?',
            standaloneQuestion: 'How is the occlusion alarm reset?',
            answer: answerExample.answer,
            citations: answerExample.citations,
            outcome: 'ANSWERED',
            modelId: answerExample.modelId,
            unreadable: false,
            createdAt: '2026-11-22T09:02:00.000Z',
          },
        ],
      },
    ],
  });

/** A page of conversations. */
export const conversationPageSchema = pageOf(conversationSchema).meta({
  description: 'A page of conversations, newest first.',
  examples: [{ data: [conversationExample], hasMore: false, nextToken: null }],
});

/** A conversation to begin. */
export const createConversationSchema = z
  .strictObject({
    title: name({ max: 200 })
      .optional()
      .meta({ description: 'Its title; the beginning of its first question if not given.' }),
  })
  .meta({ description: 'A conversation to begin.', examples: [{ title: 'Infusion pump' }] });

/** Names a conversation. */
export const conversationParams = z.strictObject({
  conversationId: id.meta({ description: "The conversation's id.", examples: [conversationExample.conversationId] }),
});

/** The list of conversations has no filters. */
export const conversationQuery = z.strictObject(pageQuery(200));
