/** A folder under an address as a source of files. */
import type { FileSource, RangedFile } from '../engine/types.ts';
import { ModelError } from '../model/config.ts';
import { bytesFile } from '../model/files.ts';
import { InputError } from '../model/text.ts';

export function urlFolder(url: string, name: string): FileSource {
  const base = url.endsWith('/') ? url : `${url}/`;
  const get = async (path: string, init: RequestInit): Promise<Response | null> => {
    const response = await fetch(base + path.split('/').map(encodeURIComponent).join('/'), init);
    // A server for single pages answers every address with its page.
    const html = response.headers.get('content-type')?.startsWith('text/html') ?? false;
    if (response.status === 404 || html) return null;
    if (!response.ok) throw new ModelError(`${name}: ${path} could not be fetched (HTTP ${response.status})`);
    return response;
  };
  const read = async (path: string, signal?: AbortSignal): Promise<Uint8Array | null> => {
    const response = await get(path, { signal });
    return response && bytesOf(response);
  };
  const ranged = (path: string, size: number): RangedFile => {
    /** What a server that does not send parts has sent. */
    let whole: RangedFile | null = null;
    return {
      size,
      read: async (start, end, signal) => {
        if (end > size) throw new InputError(`${name}: ${path} ends at ${size} bytes, before ${end}`);
        if (start >= end) return new Uint8Array();
        if (whole !== null) return whole.read(start, end);
        const part = await get(path, { headers: { Range: `bytes=${start}-${end - 1}` }, signal });
        if (part === null) throw new ModelError(`${name}: the file ${path} is missing`);
        const bytes = await bytesOf(part);
        if (part.status !== 206) {
          whole = bytesFile(bytes);
          return whole.read(start, end);
        }
        if (bytes.length === end - start) return bytes;
        throw new ModelError(`${name}: ${path} could not be read in parts from its server`);
      },
    };
  };
  return {
    name,
    read,
    open: async (path, signal) => {
      const head = await get(path, { method: 'HEAD', signal });
      if (head === null) return null;
      const size = Number(head.headers.get('content-length') ?? Number.NaN);
      if (Number.isSafeInteger(size) && !head.headers.has('content-encoding')) return ranged(path, size);
      // Packed on its way, or of unknown length: it can't be asked for in parts.
      const bytes = await read(path, signal);
      return bytes && bytesFile(bytes);
    },
  };
}

const bytesOf = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());
