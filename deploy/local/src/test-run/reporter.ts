import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** Mocha's own spec report, and at its end the counts as JSON in the file that WARDSTONE_TEST_COUNTS_FILE names. */
export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const file = process.env['WARDSTONE_TEST_COUNTS_FILE'];
    if (file === undefined) return;
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(file, JSON.stringify({ passes, failures, pending }));
    });
  }
}
