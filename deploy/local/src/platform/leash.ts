// Loaded before a program by the launcher (`--import leash.ts?parent=PID`). The launcher holds the other end of descriptor
// 3; when it is gone, however it went, the pipe closes, and the program is told to end as an operator would tell it.
// Programs know nothing of this.
import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';

const parent = Number(new URL(import.meta.url).searchParams.get('parent'));
const lastResortMs = 20_000;

// Threads and children of the program load this too: only the launcher's own child holds the leash.
if (isMainThread && process.ppid === parent) {
  const leash = new Socket({ fd: 3, readable: true, writable: false });
  leash.on('error', end);
  leash.on('close', end);
  leash.resume();
  leash.unref();
}

function end(): void {
  setTimeout(() => process.exit(1), lastResortMs).unref();
  process.kill(process.pid, 'SIGTERM');
}
