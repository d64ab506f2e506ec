import { fork } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from '@wardstone/testing';
import { stageOwners, type Stage } from '../../src/index.ts';
import type { Instructions } from './child-worker.ts';
import type { Bench } from './suite.ts';

/** A worker in a process of its own. */
export interface ChildWorker {
  /** Documents whose jobs began there. */
  readonly began: string[];
  /** kill -9. */
  kill(): Promise<void>;
}

/** Starts it and returns at once; the worker connects by itself. */
export function startChild({ open, identities }: Bench, stage: Stage, mode: 'hang' | 'work'): ChildWorker {
  const child = fork(new URL('./child-worker.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(child, 'exit');
  const began: string[] = [];
  child.on('message', (message: { began: string }) => began.push(message.began));
  const keys = { jwksFile: identities.jwksFile, keyFile: identities.keyFile(stageOwners[stage]) };
  child.send({ backend: open.backend, stage, mode, ...keys } satisfies Instructions);
  return {
    began,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Starts a worker that hangs, waits until it holds the document's job, and kills it. */
export async function killInTheMiddle(bench: Bench, stage: Stage, documentId: string): Promise<void> {
  const child = startChild(bench, stage, 'hang');
  try {
    await eventually(() => child.began.includes(documentId), {
      description: `${stage} to begin in the child`,
      timeoutMs: 30_000,
    });
  } finally {
    await child.kill();
  }
}
