import { readFileSync } from 'node:fs';
import type { PromptTemplate } from '../domain/prompt.ts';

/** Versions in use. `test/prompts.versions.test.ts` holds each to the text that it had when it was given out. */
export const answerPromptVersion = 'answer-1';
export const rewritePromptVersion = 'rewrite-1';

/** Reads a version of a prompt from `prompts/<version>/`. Thrown: Error when its files are not there. */
export function loadPrompt(version: string): PromptTemplate {
  const read = (name: string): string =>
    readFileSync(new URL(`../../prompts/${version}/${name}`, import.meta.url), 'utf8');
  return { version, system: read('system.md'), user: read('user.md') };
}
