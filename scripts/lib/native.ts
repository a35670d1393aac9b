/** The same engine on onnxruntime's native CPU build, for scripts that run in Node. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { Device, type Ort } from '../../src/engine/device.ts';
import type { FileSource } from '../../src/engine/types.ts';

export function nativeDevice(threads = availableParallelism()): Device {
  // onnxruntime-node carries its own copy of the common package; the two describe the same objects.
  const native = ort as unknown as Ort;
  return new Device({
    ort: native,
    info: {
      backend: 'cpu',
      description: `native CPU, ${threads} threads`,
      threads,
      note: 'a script asked for it',
    },
    providers: ['cpu'],
    threads,
  });
}

/** A folder on disk. */
export function folder(path: string): FileSource {
  return {
    name: basename(path),
    read: async (file) => {
      try {
        return new Uint8Array(await readFile(join(path, file)));
      } catch {
        return null;
      }
    },
  };
}
