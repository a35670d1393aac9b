/** Where a model's files come from: the embedded folder, an address, a folder the user gave. */
import type { FileSource } from '../engine/types.ts';
import { ModelError } from '../model/config.ts';
import type { Storage } from '../storage/index.ts';

/** A folder under a URL. */
export function urlFolder(url: string, name: string): FileSource {
  const base = url.endsWith('/') ? url : `${url}/`;
  const get = async (path: string, init: RequestInit): Promise<Response | null> => {
    const response = await fetch(base + path, init);
    // A server for single pages answers every address with its page.
    const html = response.headers.get('content-type')?.startsWith('text/html') ?? false;
    if (response.status === 404 || html) return null;
    if (!response.ok) throw new ModelError(`${name}: ${path} could not be fetched (HTTP ${response.status})`);
    return response;
  };
  const bytes = async (response: Response) => new Uint8Array(await response.arrayBuffer());
  return {
    name,
    read: async (path, signal) => {
      const response = await get(path, { signal });
      return response && bytes(response);
    },
    open: async (path, signal) => {
      const head = await get(path, { method: 'HEAD', signal });
      if (!head) return null;
      return {
        size: Number(head.headers.get('content-length')),
        read: async (start, end, signal) => {
          const part = await get(path, { headers: { Range: `bytes=${start}-${end - 1}` }, signal });
          if (part?.status !== 206)
            throw new ModelError(`${name}: ${path} could not be read in parts from its server`);
          return bytes(part);
        },
      };
    },
  };
}

export const isUrl = (name: string): boolean => /^https?:\/\//.test(name);

/** The last part of an address, for people. */
export const shortName = (name: string): string =>
  decodeURIComponent(name.replace(/\/+$/, '').split('/').at(-1) ?? name);

/** What RunConfig.model names. */
export function modelSource(name: string, base: URL, storage: Storage): FileSource {
  if (name === 'default') return urlFolder(new URL('models/default-lm/', base).href, 'default-lm');
  if (isUrl(name)) return urlFolder(name, shortName(name));
  return storage.modelFolder(name);
}

/** What RunConfig.adapter names; null where the run starts from the model alone. */
export function adapterSource(name: string, storage: Storage): FileSource | null {
  if (name === 'none') return null;
  return isUrl(name) ? urlFolder(name, shortName(name)) : storage.modelFolder(name);
}

/** What RunConfig.embedder names, as transformers.js wants it: a parent address and a folder. */
export function embedderAddress(name: string, base: URL): { base: string; name: string } {
  // transformers.js takes a full address for a hub's; files of our own origin it finds by their path.
  if (name === 'default') return { base: new URL('models/', base).pathname, name: 'default-embedder' };
  if (isUrl(name)) {
    const folder = new URL(name.endsWith('/') ? name.slice(0, -1) : name);
    if (folder.origin !== base.origin) {
      throw new ModelError(`the embedder's address ${name} is not on ${base.origin}`);
    }
    const parent = new URL('.', folder);
    return { base: parent.pathname, name: folder.pathname.slice(parent.pathname.length) };
  }
  throw new ModelError(`the embedder "${name}" is neither "default" nor the address of a folder`);
}
