import { runUntilSignal } from '@wardstone/rpc';
import { loadConfig } from './config.ts';
import { start } from './start.ts';

await runUntilSignal(async () => (await start(loadConfig(process.env))).parts);
