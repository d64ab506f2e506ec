import { expect } from 'chai';
import { z } from 'zod';
import {
  ConfigError,
  embeddedFields,
  fields,
  readConfig,
  refuseEmbeddedInProduction,
  serviceFields,
} from '../src/index.ts';

const schema = z.object({
  WARDSTONE_PORT: fields.port,
  WARDSTONE_LIMIT: fields.bytes.default(1024),
  WARDSTONE_PEERS: fields.list.optional(),
});

function problemsOf(env: NodeJS.ProcessEnv, read: z.ZodObject = schema): readonly string[] {
  try {
    readConfig(read, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('the configuration was expected to be refused');
}

describe('readConfig', () => {
  it('gives typed values with their defaults, frozen', () => {
    const config = readConfig(schema, { WARDSTONE_PORT: '7101', WARDSTONE_PEERS: 'a, b,,c', PATH: '/bin' });
    expect(config).deep.equal({ WARDSTONE_PORT: 7101, WARDSTONE_LIMIT: 1024, WARDSTONE_PEERS: ['a', 'b', 'c'] });
    expect(Object.isFrozen(config)).equal(true);
    expect(Object.isFrozen(config.WARDSTONE_PEERS)).equal(true);
  });

  it('takes the empty string as not set', () => {
    expect(readConfig(schema, { WARDSTONE_PORT: '1', WARDSTONE_LIMIT: '' }).WARDSTONE_LIMIT).equal(1024);
    expect(problemsOf({ WARDSTONE_PORT: '' })).deep.equal(['WARDSTONE_PORT: is required']);
  });

  it('refuses names with our prefix that it does not know, and offers the nearest', () => {
    expect(problemsOf({ WARDSTONE_PORT: '1', WARDSTONE_LIMITS: '1', WARDSTONE_ELSE: '1' })).deep.equal([
      'WARDSTONE_ELSE: is not a variable of this program',
      'WARDSTONE_LIMITS: is not a variable of this program; did you mean WARDSTONE_LIMIT?',
    ]);
    expect(readConfig(schema, { WARDSTONE_PORT: '1', WARDSTONE_TEST_REDIS_URL: 'redis://x' }).WARDSTONE_PORT).equal(1);
  });

  it('lists every problem at once, and never a value', () => {
    const problems = problemsOf({ WARDSTONE_PORT: 'hunter2', WARDSTONE_LIMIT: 'hunter2' });
    expect(problems).length(2);
    expect(problems.join()).not.include('hunter2');
    expect(problemsOf({ WARDSTONE_PORT: '65536' })).deep.equal(['WARDSTONE_PORT: must be at most 65535']);
    const enumerated = z.object({ WARDSTONE_LOG_LEVEL: fields.logLevel });
    expect(problemsOf({ WARDSTONE_LOG_LEVEL: 'hunter2' }, enumerated)[0]).match(/must be one of fatal, error/);
  });
});

describe('fields', () => {
  const cases: [keyof typeof fields, string, unknown][] = [
    ['port', '0', 0],
    ['positiveInt', '1', 1],
    ['nonNegativeInt', '0', 0],
    ['percent', '1', 1],
    ['percent', '100', 100],
    ['durationMs', '2147483647', 2_147_483_647],
    ['bytes', '4MiB', 4_194_304],
    ['bytes', '10', 10],
    ['url', 'https://a.example/b/', 'https://a.example/b'],
    ['url', 'http://127.0.0.1:1', 'http://127.0.0.1:1'],
    ['postgresUrl', 'postgres://u:p@h/d', 'postgres://u:p@h/d'],
    ['redisUrl', 'rediss://h', 'rediss://h'],
    ['flag', 'on', true],
    ['flag', '0', false],
    ['list', '', []],
  ];
  for (const [name, text, value] of cases) {
    it(`${name} reads ${JSON.stringify(text)}`, () => expect(fields[name].parse(text)).deep.equal(value));
  }

  const refused: [keyof typeof fields, string][] = [
    ['port', '65536'],
    ['port', '-1'],
    ['port', '1.5'],
    ['port', '0x10'],
    ['positiveInt', '0'],
    ['percent', '0'],
    ['percent', '101'],
    ['durationMs', '2147483648'],
    ['bytes', '1MB'],
    ['bytes', '0'],
    ['url', 'ftp://a'],
    ['url', 'https://user:word@a.example'],
    ['url', 'https://a.example/?q=1'],
    ['url', 'a.example'],
    ['postgresUrl', 'mysql://h'],
    ['redisUrl', 'http://h'],
    ['flag', 'perhaps'],
    ['logLevel', 'loud'],
  ];
  for (const [name, text] of refused) {
    it(`${name} refuses ${JSON.stringify(text)}`, () => expect(fields[name].safeParse(text).success).equal(false));
  }
});

describe('variables of every service', () => {
  const required = {
    WARDSTONE_PORT: '7101',
    WARDSTONE_SERVICE_KEY_FILE: '/keys/own.json',
    WARDSTONE_SERVICE_JWKS_FILE: '/keys/all.json',
    WARDSTONE_OIDC_ISSUER: 'http://127.0.0.1:7100',
  };

  it('need a port, keys and an issuer, and have defaults for the rest', () => {
    const config = readConfig(z.object(serviceFields), required);
    expect(config).include({
      WARDSTONE_HOST: '127.0.0.1',
      WARDSTONE_REFLECTION: true,
      WARDSTONE_DRAIN_TIMEOUT_MS: 10_000,
    });
    expect(problemsOf({}, z.object(serviceFields))).length(4);
  });

  it('let an embedded provider into production only when told twice', () => {
    const read = (env: NodeJS.ProcessEnv) => readConfig(z.object(embeddedFields), env);
    const refuse = (env: NodeJS.ProcessEnv) => () => refuseEmbeddedInProduction(read(env), 'the software key store');
    expect(refuse({})).not.throw();
    expect(refuse({ NODE_ENV: 'production' })).throws(ConfigError);
    expect(refuse({ NODE_ENV: 'production', WARDSTONE_ALLOW_EMBEDDED: 'yes-this-is-not-production' })).not.throw();
    expect(problemsOf({ WARDSTONE_ALLOW_EMBEDDED: 'yes' }, z.object(embeddedFields))).length(1);
  });
});
