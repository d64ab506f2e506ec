import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BedrockRuntimeClient } from '@aws-sdk/client-bedrock-runtime';
import { BedrockAgentRuntimeClient } from '@aws-sdk/client-bedrock-agent-runtime';
import { expect } from 'chai';
import { testAwsRegion as region, useTestAwsCredentials } from '../src/aws.ts';
import { embed, failureOf } from './bedrock-clients.ts';

const program = fileURLToPath(import.meta.resolve('@wardstone/testing/bedrock/run'));

describe('the Bedrock double as a process', () => {
  useTestAwsCredentials();

  it('prints its endpoint, answers, throttles as told, and stops when told', async () => {
    const child = spawn(process.execPath, [program, '--throttle-above', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [endpoint] = (await once(createInterface(child.stdout), 'line')) as [string];
    const settings = { region, endpoint, maxAttempts: 1 };
    const clients = { runtime: new BedrockRuntimeClient(settings), agents: new BedrockAgentRuntimeClient(settings) };
    expect((await failureOf(embed(clients, 'knee'))).name).to.equal('ThrottlingException');
    clients.runtime.destroy();
    clients.agents.destroy();
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).to.deep.equal([0, null]);
  });
});
