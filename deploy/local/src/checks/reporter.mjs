// Mocha's own spec reporter, which also leaves its counts in the file that TEST_COUNTS_FILE names.
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

const openAfterMs = 15_000;

export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.TEST_COUNTS_FILE;
    if (file === undefined) return;
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(file, JSON.stringify({ passed: passes, failed: failures, pending }));
      // Runs only when something else keeps the process alive: says what, before the runner ends it.
      setTimeout(
        () => console.error(`Still open: ${process.getActiveResourcesInfo().join(', ')}`),
        openAfterMs,
      ).unref();
    });
  }
}
