/** SHA-256 by the platform. */

export async function sha256(part: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(part)));
}

/** One hash for all files: that of their hashes. */
export async function fingerprint(hashes: readonly Uint8Array[]): Promise<string> {
  const all = new Uint8Array(hashes.length * 32);
  hashes.forEach((hash, i) => {
    all.set(hash, i * 32);
  });
  return [...(await sha256(all))].map((b) => b.toString(16).padStart(2, '0')).join('');
}
