import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { z } from 'zod';
import { ConfigError, fields, readConfig } from '../src/index.ts';

const schema = z.object({
  WARDSTONE_DATABASE_URL: fields.postgresUrl,
  WARDSTONE_SERVICE_KEY_FILE: fields.filePath.optional(),
});

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('readConfig with values in files', () => {
  let dir: string;
  let file: string;
  before(() => {
    dir = mkdtempSync(path.join(tmpdir(), 'wardstone-config-'));
    file = path.join(dir, 'url');
    writeFileSync(file, 'postgres://app:pw@db/wardstone\n');
  });
  after(() => rmSync(dir, { recursive: true }));

  it('takes NAME from NAME_FILE without its last newline', () => {
    const config = readConfig(schema, { WARDSTONE_DATABASE_URL_FILE: file });
    expect(config.WARDSTONE_DATABASE_URL).to.equal('postgres://app:pw@db/wardstone');
  });

  it('leaves a variable alone whose own name ends in _FILE', () => {
    const config = readConfig(schema, { WARDSTONE_DATABASE_URL_FILE: file, WARDSTONE_SERVICE_KEY_FILE: '/k' });
    expect(config.WARDSTONE_SERVICE_KEY_FILE).to.equal('/k');
  });

  it('refuses both, an unreadable file, and a file for a variable that does not exist', () => {
    expect(problemsOf({ WARDSTONE_DATABASE_URL: 'postgres://x/y', WARDSTONE_DATABASE_URL_FILE: file })[0]).to.include(
      'set one of them',
    );
    expect(problemsOf({ WARDSTONE_DATABASE_URL_FILE: path.join(dir, 'absent') }).join()).to.include('cannot be read');
    expect(problemsOf({ WARDSTONE_DATABASE_URL_FILE: file, WARDSTONE_NOPE_FILE: file })[0]).to.include(
      'is not a variable of this program',
    );
  });
});
