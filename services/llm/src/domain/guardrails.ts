/** Which guardrails an answer passes, and where. */
import type { AnswerInput, Guardrail } from '../ports.ts';

/** stream: while the answer comes. whole: before anything of it leaves, its grounding included. */
export type GuardrailCheck = 'stream' | 'whole';

export interface GuardrailPlan {
  /** Looks at the question and at the answer while it comes: a call of a model takes one. */
  readonly inStream: Guardrail | undefined;
  /** Look at the question before a model is given it. */
  readonly ofQuestion: readonly Guardrail[];
  /** Look at the whole answer before anything of it leaves. */
  readonly ofAnswer: readonly Guardrail[];
}

/**
 * The installation's is a floor: it is in every call, whatever a tenant has set. A tenant's own comes beside it, and stands in its
 * place only where there is none.
 */
export function planGuardrails(
  floor: Guardrail | undefined,
  own: Guardrail | undefined,
  check: GuardrailCheck,
): GuardrailPlan {
  const inStream = floor ?? own;
  const isSame = floor?.id === own?.id && floor?.version === own?.version;
  const beside = floor === undefined || own === undefined || isSame ? [] : [own];
  const whole = inStream === undefined || check === 'stream' ? [] : [inStream];
  return { inStream, ofQuestion: beside, ofAnswer: [...whole, ...beside] };
}

/** What of an answer's input guardrails look at: the question, and before it the conversation, which may be older than they are. */
export function checkedText({ question, history }: Pick<AnswerInput, 'question' | 'history'>): string {
  return [...history.flatMap((turn) => [turn.question, turn.answer]), question]
    .filter((text) => text !== '')
    .join('\n');
}
