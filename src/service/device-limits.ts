/** What this device and browser allow, as far as they tell. */
import { backendFor } from '../engine/backend.ts';
import { HEAP_LIMIT } from '../model/fit.ts';
import type { RunConfig } from '../pipeline/config.ts';
import type { Limits } from '../pipeline/fit.ts';
import { storageLeft } from '../storage/space.ts';

export async function deviceLimits(asked: RunConfig['backend']): Promise<Limits> {
  const adapter = await backendFor(asked);
  // In Chromium only: the machine's memory in GiB, rounded.
  const deviceMemory = 'deviceMemory' in navigator ? Number(navigator.deviceMemory) : null;
  return {
    backend: adapter ? 'webgpu' : 'wasm',
    float16: !adapter || adapter.features.has('shader-f16'),
    heap: HEAP_LIMIT,
    maxBuffer: adapter
      ? Math.min(adapter.limits.maxBufferSize, adapter.limits.maxStorageBufferBindingSize)
      : null,
    storageLeft: await storageLeft(),
    deviceMemory: deviceMemory === null ? null : deviceMemory * 2 ** 30,
  };
}
