export { createTenantGate, type HeldKeys, type TenantGate, type TenantGateOptions } from './tenant-gate.ts';
export {
  createTenantWorker,
  type Resealing,
  type TenantWorkerOptions,
  type WorkStep,
  type TenantWorkHandlers,
} from './tenant-worker.ts';
