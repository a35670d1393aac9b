/** SHA-256 by the platform: Web Crypto is in every browser (https or localhost) and in Node. */
declare const crypto: { readonly subtle?: { digest(name: string, data: Uint8Array): Promise<ArrayBuffer> } };
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

/**
 * @returns 64 hex digits
 * @throws Error on a page served over plain http, where browsers offer no Web Crypto
 */
export async function sha256(text: string): Promise<string> {
  if (crypto.subtle === undefined) {
    throw new Error('this page needs https or localhost: the browser offers no Web Crypto here');
  }
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
