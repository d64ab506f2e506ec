// The double of Bedrock as a process of its own, with the answers of the row: prints its endpoint, and runs until it is told to stop.
import { startBedrockDouble } from '@wardstone/testing/bedrock';
import { answerEvents, answerTo } from './material.ts';

const double = await startBedrockDouble({ maxCalls: 1 });
double.onConverse(({ body }) => answerEvents(answerTo(JSON.stringify(body['messages']))));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void double.close());
console.log(double.endpoint);
