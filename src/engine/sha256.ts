/** SHA-256, taken piece by piece where what is hashed is never whole in memory. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';

export { sha256 };

export interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

export const newHash = (): Hash => sha256.create();

/** One hash for all files: that of their hashes. */
export function fingerprint(hashes: readonly Uint8Array[]): string {
  return bytesToHex(sha256(concatBytes(...hashes)));
}
