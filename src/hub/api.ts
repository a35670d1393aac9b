/** What workers/hub.ts offers to the page and the headless runner: finding, fetching and keeping models of a hub. */

/** What the files are for: a language model's weights, or the ONNX file of an embedder or of a reward model. */
export type HubUse = 'model' | 'embedder' | 'reward';

export interface HubRequest {
  /** Base address, as in RunConfig.hub. */
  readonly hub: string;
  /** `owner/name` or `owner/name@revision`, as in RunConfig.model and RunConfig.embedder. */
  readonly name: string;
  readonly use: HubUse;
}

export interface HubFileInfo {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** What is known of a model before anything large is fetched. */
export interface HubModel {
  readonly id: string;
  /** As it was asked for. */
  readonly revision: string;
  /** Null where the hub does not say. */
  readonly commit: string | null;
  /** What settings should name, so that they mean the same later: `owner/name@commit`. */
  readonly pinned: string;
  /** Those that are wanted, not all that the hub has. */
  readonly files: readonly HubFileInfo[];
  /** Bytes of `files`. */
  readonly bytes: number;
  /** Bytes of them that are on this device already. */
  readonly stored: number;
  /** All of them are: nothing is to be fetched. */
  readonly cached: boolean;
  /** config.json, parsed; anything may stand in it. */
  readonly config: unknown;
  /** For the user: e.g. that the hub was not reached, and which commit is used instead. Empty where all is well. */
  readonly note: string;
}

export interface HubProgress {
  readonly state: 'fetching' | 'waiting' | 'checking';
  /** The file at work. */
  readonly file: string;
  /** Bytes done and in all, over all files. While checking: bytes checked of those to be checked. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Bytes a second; 0 while unknown. */
  readonly rate: number;
  readonly secondsLeft: number | null;
  /** Why it waits, and until when; empty otherwise. */
  readonly note: string;
}

/** A model whose files are stored, wholly or in part. */
export interface CachedModel {
  /** Names it for `remove`. */
  readonly key: string;
  readonly use: HubUse;
  readonly hub: string;
  readonly id: string;
  readonly commit: string | null;
  /** Branches and tags that it was asked for by; the newest last. */
  readonly revisions: readonly string[];
  /** What settings name to use it. */
  readonly pinned: string;
  /** Bytes of all its files, and of those stored. */
  readonly bytes: number;
  readonly stored: number;
  readonly complete: boolean;
  /** When it was last written, in milliseconds since 1970. */
  readonly changed: number;
}

/**
 * Errors arrive across the worker by their name: HubTokenError (401, 403: a token is needed or not enough),
 * HubMissingError (404: id, revision or file), HubOfflineError (not reached), HubError (anything else), StorageError
 * (no room, in use), AbortError (cancelled).
 */
export interface HubApi {
  /** Asks the hub for the files, and for config.json. What is stored under a pinned commit needs no network. */
  inspect(request: HubRequest): Promise<HubModel>;
  /**
   * Fetches what is missing and checks it by size and hash; on a model that is stored already it only checks, and
   * fetches again what is damaged. One at a time in all tabs. What a broken or cancelled download has got is kept
   * and goes on from there.
   */
  download(request: HubRequest, onProgress: (progress: HubProgress) => void): Promise<CachedModel>;
  /** Ends the download at once; it rejects with an AbortError. */
  cancel(): Promise<void>;
  /** The newest first. */
  list(): Promise<CachedModel[]>;
  /** @throws StorageError where it is in use */
  remove(key: string): Promise<void>;
  /** For gated models of that hub, until this worker ends; kept nowhere else. Null forgets it. */
  setToken(hub: string, token: string | null): Promise<void>;
}
