import { type ChatMessage, textOf } from '../schemas/chat-request.ts';
import { text } from '../schemas/fields.ts';

/** A question that came before, with what was answered; an answer is empty where there was none. */
export interface ToldTurn {
  readonly question: string;
  readonly answer: string;
}

/** As the proto of a question bounds what its caller tells. */
const maxTurns = 100;
const question = text({ min: 1, max: 4_000 });
const answer = text({ max: 60_000 });

/**
 * The conversation that the last message of a user goes on with: the newest turns that may be told, oldest first, each whole, and
 * none that is older than one that may not. What an assistant says before anybody has asked belongs to no turn.
 */
export function historyOf(messages: readonly ChatMessage[]): ToldTurn[] {
  const turns: { question: string; answer: string }[] = [];
  const last = messages.findLastIndex(({ role }) => role === 'user');
  for (const message of messages.slice(0, Math.max(last, 0))) {
    const said = readable(textOf(message));
    if (said === '') continue;
    if (message.role === 'user') turns.push({ question: said, answer: '' });
    const turn = message.role === 'assistant' ? turns.at(-1) : undefined;
    if (turn !== undefined) turn.answer = turn.answer === '' ? said : `${turn.answer}\n${said}`;
  }
  const beyond = turns.findLastIndex((turn) => !mayBeTold(turn));
  return turns.slice(beyond + 1).slice(-maxTurns);
}

function mayBeTold(turn: ToldTurn): boolean {
  return question.safeParse(turn.question).success && answer.safeParse(turn.answer).success;
}

/** Clients cut what was said anywhere: half a character is no reason to refuse what is asked now. */
function readable(said: string): string {
  return said.toWellFormed().replaceAll('\0', '\ufffd');
}
