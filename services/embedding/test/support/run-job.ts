/** The job in a process of its own, to be killed: `node run-job.ts DIR ENDPOINT`. */
import { Registry } from '@wardstone/telemetry';
import { embedJob } from '../../src/jobs/embed.ts';
import { job, openHarness } from './harness.ts';
import { openTestTitan } from './titan.ts';

const [dir = '', endpoint = ''] = process.argv.slice(2);
const harness = await openHarness(openTestTitan(endpoint, new Registry()).model(1024), dir);
await embedJob(harness.deps)(job, { signal: new AbortController().signal });
