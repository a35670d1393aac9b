/** One file from a hub into the storage, in parts as it comes. */
import type { HubStore } from '../storage/hub-store.ts';
import type { HubFile } from '../storage/schema.ts';
import { HubError, HubOfflineError } from './errors.ts';
import type { Hub } from './http.ts';
import type { HubName } from './name.ts';
import type { Patience } from './patience.ts';

/** Bytes of a stored part: little enough to be held twice, enough that a file has not too many. */
const PART = 8 * 2 ** 20;
/** A connection over which nothing came for so many milliseconds is given up. */
const STALLED = 60_000;
/** A file that has to be begun again so often is given up. */
const MOST_BEGINNINGS = 3;

export interface Transfer {
  readonly hub: Hub;
  readonly name: HubName;
  readonly store: HubStore;
  /** Under which the store has the model. */
  readonly key: string;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Bytes that came; negative where stored ones had to go. */
  readonly onBytes: (bytes: number) => void;
  /** Stores from which version of the file the parts are, before the first of them. */
  readonly onTag: (etag: string | null) => Promise<void>;
}

/**
 * Fetches what is missing of a file. What came is stored whatever ends it.
 *
 * @throws HubError and its kinds, StorageError, the reason of the signal
 */
export async function fetchFile(transfer: Transfer, file: HubFile): Promise<void> {
  const { hub, name, store, key, patience, signal } = transfer;
  let { etag } = file;
  let at = await store.stored(key, file.path);
  let beginnings = 0;
  const again = async () => {
    await store.clearFile(key, file.path);
    transfer.onBytes(-at);
    at = 0;
  };
  // Nothing shows that the stored parts are of this version of the file.
  if (at > 0 && etag === null && file.hash === null) await again();
  while (at < file.size) {
    const before = at;
    try {
      const response = await hub.file(name, file.path, signal, at === 0 ? undefined : `bytes=${at}-`);
      const tag = response.headers.get('etag');
      if (at > 0 && (response.status !== 206 || !goesOn(response, at, file.size, etag, tag))) {
        // Another version than the stored parts are of, or a server that does not send parts.
        if (response.status !== 200) await response.body?.cancel().catch(() => undefined);
        if (++beginnings > MOST_BEGINNINGS)
          throw new HubError(
            `${file.path} can't be gone on with: the hub sends it from the beginning every time.`,
          );
        await again();
        if (response.status !== 200) continue;
      }
      if (tag !== etag || at === 0) {
        etag = tag;
        await transfer.onTag(etag);
      }
      await receive(transfer, file, response, at, (bytes) => {
        at += bytes;
      });
      if (at < file.size) throw new HubOfflineError(`${file.path} broke off at ${at} of ${file.size} bytes.`);
    } catch (error) {
      if (at > before) patience.progressed();
      await patience.afterFailure(error);
    }
  }
  patience.progressed();
}

/** Whether an answer to a Range request goes on where the stored parts of the same file end. */
function goesOn(
  { headers }: Response,
  at: number,
  size: number,
  etag: string | null,
  tag: string | null,
): boolean {
  if (etag !== null && tag !== null && etag !== tag) return false;
  // Some hubs do not let pages read it; size and hash are looked at in the end.
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get('content-range') ?? '');
  return range === null || (Number(range[1]) === at && Number(range[2]) === size);
}

/** Stores the body, part by part; what came before it broke is stored, too. */
async function receive(
  { store, key, signal, onBytes }: Transfer,
  { path, size }: HubFile,
  response: Response,
  from: number,
  stored: (bytes: number) => void,
): Promise<void> {
  const reader = response.body?.getReader();
  let pieces: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  let at = from;
  const flush = async () => {
    if (held === 0) return;
    const part = new Blob(pieces);
    pieces = [];
    held = 0;
    await store.addPart(key, path, at, part);
    at += part.size;
    stored(part.size);
  };
  try {
    for (;;) {
      const next = await nextPiece(reader, path, signal);
      if (next === null) break;
      if (at + held + next.length > size) {
        onBytes(-held);
        pieces = [];
        held = 0;
        throw new HubError(`${path} is longer than the ${size} bytes that the hub lists.`);
      }
      pieces.push(next);
      held += next.length;
      onBytes(next.length);
      if (held >= PART) await flush();
    }
  } finally {
    void reader?.cancel().catch(() => undefined);
    await flush();
  }
}

/** @throws HubOfflineError where the connection breaks or nothing comes, the reason of the signal */
async function nextPiece(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined,
  path: string,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (reader === undefined) return null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let end: () => void = () => {};
  const stopped = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HubOfflineError(`nothing came of ${path} for ${STALLED / 1000} seconds.`)),
      STALLED,
    );
    end = () => reject(signal.reason);
    signal.addEventListener('abort', end, { once: true });
  });
  try {
    const next = await Promise.race([reader.read(), stopped]);
    return next.done ? null : next.value;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof HubOfflineError) throw error;
    throw new HubOfflineError(`the connection broke while ${path} came.`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
