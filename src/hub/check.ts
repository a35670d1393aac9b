/** Whether the stored bytes of a file are those that the hub has. */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { HubStore } from '../storage/hub-store.ts';
import type { HubFile } from '../storage/schema.ts';

/** Bytes hashed between two looks at the signal. */
const AT_ONCE = 8 * 2 ** 20;

/**
 * Reads all of a file from the storage; false where its size or hash is another.
 *
 * @param onBytes is told of every piece
 */
export async function isRight(
  store: HubStore,
  key: string,
  { path, size, hash }: HubFile,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<boolean> {
  if ((await store.stored(key, path)) !== size) return false;
  if (hash === null) return true;
  const hasher = hash.kind === 'sha256' ? sha256.create() : sha1.create();
  // What git hashes is the blob with its kind and length before it.
  if (hash.kind === 'git') hasher.update(utf8ToBytes(`blob ${size}\0`));
  for await (const part of store.parts(key, path)) {
    for (let at = 0; at < part.size; at += AT_ONCE) {
      signal.throwIfAborted();
      const bytes = await readable(part.slice(at, at + AT_ONCE));
      if (bytes === null) return false;
      hasher.update(bytes);
      onBytes(bytes.length);
    }
  }
  return bytesToHex(hasher.digest()) === hash.hex;
}

/** A stored Blob's file may be gone from the disk. */
async function readable(blob: Blob): Promise<Uint8Array | null> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotReadableError') return null;
    throw error;
  }
}
