/** Names of pieces of work: the same name for the same work, so that arms share what they have in common. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** SHA-256, hex, of what a piece depends on, whatever order its fields were written in. */
export function keyOf(parts: unknown): string {
  return bytesToHex(sha256(utf8ToBytes(canonical(parts))));
}

/** JSON with the fields of every object in order; fields that are undefined are as absent. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
