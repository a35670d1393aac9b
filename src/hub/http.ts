/** Requests to a hub: the token goes to its own origin only, and every answer that is no file becomes an error. */
import { HubError, HubMissingError, HubOfflineError, HubTokenError } from './errors.ts';
import { fileAddress, type HubName, hubBase, listingAddress } from './name.ts';

/** The hub is there but can't answer now: too many requests, or trouble of its own. */
export class HubBusyError extends HubError {
  override name = 'HubBusyError';

  /** @param after milliseconds until it may be asked again, where it says so */
  constructor(
    message: string,
    readonly after: number | null,
  ) {
    super(message);
  }
}

class NotJson extends HubError {}

/** Whether the same request may succeed a little later. */
export const isPassing = (error: unknown): boolean =>
  error instanceof HubBusyError || error instanceof HubOfflineError;

/** Bytes of the largest text that is read whole: a list of files, an index of shards. */
const MOST_TEXT = 64 * 2 ** 20;

export interface Hub {
  readonly base: string;
  /**
   * A file's answer, its body unread: 200, or 206 from byte `from` on, or 416.
   *
   * @throws HubTokenError, HubMissingError, HubBusyError, HubOfflineError, HubError
   */
  file(name: HubName, path: string, signal: AbortSignal, range?: string): Promise<Response>;
  /** The list of files as the hub gives it; null where it has none of such a name, or gives no lists at all. */
  listing(name: HubName, signal: AbortSignal): Promise<unknown>;
  /** A JSON file of bounded length; null where there is none. */
  json(name: HubName, path: string, signal: AbortSignal): Promise<unknown>;
}

/** @param token null where there is none */
export function openHub(address: string, token: string | null): Hub {
  const base = hubBase(address);
  const host = new URL(base).host;
  const ask = async (url: string, what: string, signal: AbortSignal, range?: string): Promise<Response> => {
    const headers: Record<string, string> = {};
    // Browsers leave it out where they are sent on to another origin.
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    if (range !== undefined) headers.Range = range;
    let response: Response;
    try {
      response = await fetch(url, {
        headers,
        signal,
        // The storage of this page is the one cache, and nothing of this page goes along.
        cache: 'no-store',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new HubOfflineError(
        `${host} was not reached (${what}). Check the network and the hub's address; a hub must allow pages of other origins (CORS).`,
        { cause: error },
      );
    }
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel().catch(() => undefined);
    throw problemOf(response, host, what, token !== null);
  };
  const json = async (url: string, what: string, signal: AbortSignal): Promise<unknown> => {
    try {
      const response = await ask(url, what, signal);
      return JSON.parse(new TextDecoder().decode(await limited(response, what, signal)));
    } catch (error) {
      if (error instanceof HubMissingError) return null;
      throw error instanceof SyntaxError ? new NotJson(`${what} on ${host} is not valid JSON.`) : error;
    }
  };
  return {
    base,
    file: (name, path, signal, range) =>
      ask(fileAddress(base, name, path), `${path} of ${name.id}`, signal, range),
    listing: async (name, signal) => {
      try {
        return await json(listingAddress(base, name), `the list of files of ${name.id}`, signal);
      } catch (error) {
        // A plain server of files that answers unknown addresses with a page.
        if (error instanceof NotJson) return null;
        throw error;
      }
    },
    json: (name, path, signal) => json(fileAddress(base, name, path), `${path} of ${name.id}`, signal),
  };
}

function problemOf(response: Response, host: string, what: string, withToken: boolean): HubError {
  const { status } = response;
  const elsewhere = response.redirected && new URL(response.url).host !== host;
  if (elsewhere && (status === 401 || status === 403)) {
    // Addresses that hubs send on to are signed for a while; asked again, the hub signs a new one.
    return new HubBusyError(`the server that ${host} keeps ${what} on refused it (HTTP ${status}).`, null);
  }
  if (status === 401 || status === 403) {
    return new HubTokenError(
      withToken
        ? `${host} refuses ${what} with this token (HTTP ${status}): it is wrong or expired, or its owner has not been granted access to the model yet.`
        : `${host} refuses ${what} without a token (HTTP ${status}): the model is gated or private, or there is none of that name. Check the name; for a gated model accept its terms on the hub and give an access token.`,
    );
  }
  if ([404, 405, 410, 501].includes(status)) {
    const code = response.headers.get('x-error-code');
    const why =
      code === 'RevisionNotFound'
        ? ': the model has no such revision'
        : code === 'EntryNotFound'
          ? ': the model has no such file'
          : '';
    return new HubMissingError(`${host} does not have ${what} (HTTP ${status})${why}.`);
  }
  if (status === 408 || status === 429 || status >= 500) {
    const reason = status === 429 ? 'asks to send fewer requests' : 'is in trouble';
    return new HubBusyError(`${host} ${reason} (HTTP ${status}, ${what}).`, retryAfter(response));
  }
  return new HubError(`${host} answered HTTP ${status} to ${what}.`);
}

/** Milliseconds, from seconds or a date. */
function retryAfter(response: Response): number | null {
  const value = response.headers.get('retry-after');
  if (value === null) return null;
  const seconds = Number(value);
  const after = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(after) ? Math.max(0, after) : null;
}

/** A body of bounded length. */
async function limited(response: Response, what: string, signal: AbortSignal): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    let next: ReadableStreamReadResult<Uint8Array> | undefined;
    try {
      next = await reader?.read();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new HubOfflineError(`the connection broke while ${what} came.`, { cause: error });
    }
    if (next === undefined || next.done) break;
    size += next.value.length;
    if (size > MOST_TEXT) {
      await reader?.cancel();
      throw new HubError(`${what} is larger than ${MOST_TEXT / 2 ** 20} MB`);
    }
    pieces.push(next.value);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
