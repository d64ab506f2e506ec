import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** The first release that runs our TypeScript sources as they are. */
const oldestHostNode = [22, 18];

/** Whether a Node of this version ("v24.1.0") runs TypeScript without a flag. */
export function runsTypeScript(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > oldestHostNode[0] || (major === oldestHostNode[0] && minor >= oldestHostNode[1]);
}

/** The Node that comes with the packages where it runs on this machine, otherwise the host's when it is new enough. */
export async function chooseNode(root, host = { execPath: process.execPath, version: process.version }) {
  const packaged = path.join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin/node');
  if (existsSync(packaged) && (await starts(packaged))) return packaged;
  if (runsTypeScript(host.version)) return host.execPath;
  throw new Error(
    [
      `Wardstone needs Node ${oldestHostNode.join('.')} or later, and this is ${host.version}.`,
      `No packaged Node runs on this machine (${process.platform} ${process.arch}).`,
      'Install Node 24 (https://nodejs.org), or run the platform in containers: docker compose up',
    ].join('\n'),
  );
}

/** A packaged binary may be for another C library (Alpine). */
function starts(file) {
  return new Promise((resolve) => {
    execFile(file, ['--version'], { timeout: 10_000 }, (error) => resolve(error === null));
  });
}
