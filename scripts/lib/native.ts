/** The same engine on onnxruntime's native CPU build, for scripts that run in Node. */
import { open, readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { Device, type Ort } from '../../src/engine/device.ts';
import type { FileSource } from '../../src/engine/types.ts';
import { InputError } from '../../src/model/text.ts';

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
    open: async (file) => {
      const found = await stat(join(path, file)).catch(() => null);
      if (!found?.isFile()) return null;
      return {
        size: found.size,
        read: async (start, end) => {
          const handle = await open(join(path, file));
          try {
            const bytes = new Uint8Array(end - start);
            const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
            if (bytesRead < bytes.length)
              throw new InputError(`${file} ends at ${found.size} bytes, before ${end}`);
            return bytes;
          } finally {
            await handle.close();
          }
        },
      };
    },
  };
}
