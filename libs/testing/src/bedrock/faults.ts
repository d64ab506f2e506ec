/** Which call meets which fault. */
import type { BedrockFault, BedrockOperation, FaultChoice } from './types.ts';

/** What a choice looks at. */
export interface FaultedCall {
  readonly operation: BedrockOperation;
  readonly model: string;
  readonly concurrent: number;
}

export interface FaultPlan {
  /** The function takes the fault away again. */
  add(fault: BedrockFault, choice: FaultChoice): () => void;
  clear(): void;
  /** The fault that a new call meets: of several that fit the one that was added first. */
  take(call: FaultedCall): BedrockFault | undefined;
}

interface Planned {
  readonly fault: BedrockFault;
  readonly choice: FaultChoice;
  /** Calls that fitted so far. */
  seen: number;
}

export function createFaultPlan(): FaultPlan {
  const planned: Planned[] = [];
  return {
    add(fault, choice) {
      const entry: Planned = { fault, choice, seen: 0 };
      planned.push(entry);
      return () => {
        const at = planned.indexOf(entry);
        if (at >= 0) planned.splice(at, 1);
      };
    },
    clear() {
      planned.length = 0;
    },
    take(call) {
      let taken: BedrockFault | undefined;
      // All are asked, so that each counts every call that fits it.
      for (const entry of planned) if (strikes(entry, call)) taken ??= entry.fault;
      return taken;
    },
  };
}

function strikes(entry: Planned, call: FaultedCall): boolean {
  const { operation, model, next, every, share, whileConcurrentAbove } = entry.choice;
  if (operation !== undefined && operation !== call.operation) return false;
  if (model !== undefined && model !== call.model) return false;
  if (whileConcurrentAbove !== undefined && call.concurrent <= whileConcurrentAbove) return false;
  entry.seen += 1;
  if (next !== undefined && entry.seen > next) return false;
  if (every !== undefined && entry.seen % every !== 0) return false;
  if (share !== undefined && Math.floor(entry.seen * share) === Math.floor((entry.seen - 1) * share)) return false;
  return true;
}
