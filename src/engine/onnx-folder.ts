/** Models of transformers.js from a folder, wherever it is: their files are ours to read, and nothing goes to a network. */
import { env } from '@huggingface/transformers';
import { InputError } from '../model/text.ts';
import { Queue } from './queue.ts';
import { fingerprint, newHash, sha256 } from './sha256.ts';
import type { FileSource } from './types.ts';

export interface OnnxRuntime {
  /** In browsers: where onnxruntime's files are. */
  readonly wasmPath?: string;
  readonly threads?: number;
}

export interface LoadedFolder<T> {
  readonly loaded: T;
  /** SHA-256 over all files that were read and a label, hex. */
  readonly fingerprint: (label: string) => string;
}

/** transformers.js asks for files of models on a hub by address: of this one, which is none. */
const HOST = 'https://folder.invalid/';

/** transformers.js has one set of settings for all that it loads. */
const loading = new Queue();

/**
 * @param what the folder holds, in words: 'embedder'
 * @param load is given the name that transformers.js knows the folder by
 * @param source a folder in the layout of transformers.js; all its files are read from here
 * @throws InputError naming the folder where a file is missing or the model can't be run
 */
export function loadFolder<T>(
  what: string,
  source: FileSource,
  { wasmPath, threads = 1 }: OnnxRuntime,
  load: (name: string) => Promise<T>,
): Promise<LoadedFolder<T>> {
  const wasm = env.backends.onnx.wasm;
  if (wasm && wasmPath) {
    wasm.wasmPaths = wasmPath;
    wasm.numThreads = threads;
  }
  const name = what.replaceAll(' ', '-');
  const files = new SourceFiles(name, source);
  const settings = {
    allowRemoteModels: true,
    allowLocalModels: false,
    remoteHost: HOST,
    remotePathTemplate: '{model}/',
    useBrowserCache: false,
    useFSCache: false,
    useWasmCache: false,
    // What it calls its cache is where it looks first; so nothing is asked of the network.
    useCustomCache: true,
    customCache: { match: (address: string) => files.answer(address), put: async () => {} },
    fetch: async () => new Response(null, { status: 404 }),
  };
  return loading.run(async () => {
    const before = { ...env };
    Object.assign(env, settings);
    try {
      return { loaded: await load(name), fingerprint: (label) => files.fingerprint(label) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new InputError(
        `the ${what} "${source.name}" can't be loaded: ${reason.replaceAll(HOST + name, source.name)}`,
      );
    } finally {
      Object.assign(env, before);
    }
  });
}

/** Bytes of a file that are read, hashed and handed on at once. */
const AT_ONCE = 8 * 2 ** 20;

/** The source's files as transformers.js wants them, each hashed on its way: a large model is not read twice. */
class SourceFiles {
  private readonly hashes = new Map<string, Uint8Array>();

  constructor(
    private readonly name: string,
    private readonly source: FileSource,
  ) {}

  /** Undefined where the address is none of the source's files. */
  async answer(address: string): Promise<Response | undefined> {
    const prefix = `${HOST}${this.name}/`;
    if (!address.startsWith(prefix)) return undefined;
    const path = decodeURIComponent(address.slice(prefix.length));
    const file = await this.source.open(path);
    if (file === null) return undefined;
    const hash = newHash();
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const bytes = await file.read(at, Math.min(file.size, at + AT_ONCE));
        at += bytes.length;
        hash.update(bytes);
        if (bytes.length > 0) controller.enqueue(bytes);
        if (at < file.size) return;
        this.hashes.set(path.split('/').at(-1) ?? '', hash.digest());
        controller.close();
      },
    });
    return new Response(body, { headers: { 'Content-Length': String(file.size) } });
  }

  /** One fingerprint over all files that were read and `label`. */
  fingerprint(label: string): string {
    const sorted = [...this.hashes].sort(([a], [b]) => (a < b ? -1 : 1));
    const names = new TextEncoder().encode([label, ...sorted.map(([name]) => name)].join('\n'));
    return fingerprint([sha256(names), ...sorted.map(([, hash]) => hash)]);
  }
}
