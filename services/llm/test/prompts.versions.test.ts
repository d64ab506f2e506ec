import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { answerPromptVersion, loadPrompt, rewritePromptVersion } from '../src/adapters/prompt-files.ts';

/** What was given out under each version. An answer that names a version was made with these words: change them in a new one. */
const given: Readonly<Record<string, string>> = {
  'answer-1': '69e088430995562f',
  'rewrite-1': 'c705bd7bf05da250',
};

const folder = new URL('../prompts/', import.meta.url);

describe('prompts: versions', () => {
  for (const [version, digest] of Object.entries(given)) {
    it(`${version} says what it said when it was given out`, () => {
      const hash = createHash('sha256');
      for (const name of ['system.md', 'user.md']) hash.update(readFileSync(new URL(`${version}/${name}`, folder)));
      expect(hash.digest('hex').slice(0, 16)).to.equal(digest);
    });
  }

  it('are all known here', () => {
    expect(readdirSync(folder).sort()).to.deep.equal(Object.keys(given));
  });

  it('has those in use', () => {
    for (const version of [answerPromptVersion, rewritePromptVersion]) {
      const { system, user } = loadPrompt(version);
      expect(system).to.contain('{{canary}}');
      expect(user).to.contain('{{question}}').and.to.contain('{{history}}');
    }
    expect(() => loadPrompt('answer-0')).to.throw();
  });
});
