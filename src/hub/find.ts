/** What a model consists of, asked of its hub before anything large is fetched. */
import { WEIGHTS_FILE, WEIGHTS_INDEX } from '../model/weights.ts';
import type { HubUse } from './api.ts';
import { HubError, HubMissingError } from './errors.ts';
import { type ListedFile, NEEDED, OPTIONAL, parseListing, shardsOf, wantedFiles } from './files.ts';
import type { Hub } from './http.ts';
import { type HubName, isCommit } from './name.ts';

export interface FoundModel {
  readonly name: HubName;
  /** Null where the hub does not say. */
  readonly commit: string | null;
  readonly files: readonly FoundFile[];
  /** config.json, parsed. */
  readonly config: unknown;
}

export interface FoundFile extends ListedFile {
  readonly size: number;
}

/**
 * @throws HubMissingError naming what there is not; whatever Hub throws
 */
export async function findModel(
  hub: Hub,
  name: HubName,
  use: HubUse,
  signal: AbortSignal,
): Promise<FoundModel> {
  const listing = await hub.listing(name, signal);
  return listing === null
    ? probed(hub, name, use, signal)
    : listed(hub, name, use, parseListing(name.id, listing), signal);
}

/** By the hub's list of files, all of one commit whatever happens to the branch meanwhile. */
async function listed(
  hub: Hub,
  name: HubName,
  use: HubUse,
  { commit, files }: { readonly commit: string; readonly files: readonly ListedFile[] },
  signal: AbortSignal,
): Promise<FoundModel> {
  const pinned = { id: name.id, revision: commit };
  const wanted = wantedFiles(name.id, use, files);
  const config = await hub.json(pinned, 'config.json', signal);
  if (wanted.some(({ path }) => path === WEIGHTS_INDEX)) {
    for (const path of shardsOf(name.id, await hub.json(pinned, WEIGHTS_INDEX, signal))) {
      const shard = files.find((file) => file.path === path);
      if (shard === undefined) {
        throw new HubMissingError(
          `${name.id} has no ${path} on the hub, which its ${WEIGHTS_INDEX} names: the model is not whole there.`,
        );
      }
      wanted.push(shard);
    }
  }
  const sized: FoundFile[] = [];
  for (const file of wanted) {
    const size = file.size ?? (await probe(hub, pinned, file.path, signal))?.size;
    if (size === undefined) throw new HubMissingError(`${name.id} has no ${file.path} on the hub.`);
    sized.push({ ...file, size });
  }
  return { name, commit, files: sized, config };
}

/** Where there is no list, as on plain mirrors: file by file, by their usual names. */
async function probed(hub: Hub, name: HubName, use: HubUse, signal: AbortSignal): Promise<FoundModel> {
  const config = await hub.json(name, 'config.json', signal);
  if (config === null) {
    throw new HubMissingError(
      `there is no model ${name.id} with a config.json at revision "${name.revision}" on ${new URL(hub.base).host}. Check the id, the revision and the hub's address.`,
    );
  }
  const found: FoundFile[] = [];
  let commit = isCommit(name.revision) ? name.revision : null;
  const take = async (path: string): Promise<boolean> => {
    const answer = await probe(hub, name, path, signal);
    if (answer === null) return false;
    found.push({ path, size: answer.size, hash: null });
    commit ??= answer.commit;
    return true;
  };
  for (const path of [...NEEDED[use], ...OPTIONAL[use]]) await take(path);
  if (use === 'model' && !(await take(WEIGHTS_FILE)) && (await take(WEIGHTS_INDEX))) {
    for (const path of shardsOf(name.id, await hub.json(name, WEIGHTS_INDEX, signal))) {
      if (!(await take(path))) throw new HubMissingError(`${name.id} has no ${path} on the hub.`);
    }
  }
  wantedFiles(name.id, use, found); // names what is lacking
  return { name, commit, files: found, config };
}

/** A file's size, by asking for its first byte; null where there is no such file. */
async function probe(
  hub: Hub,
  name: HubName,
  path: string,
  signal: AbortSignal,
): Promise<{ size: number; commit: string | null } | null> {
  let response: Response;
  try {
    response = await hub.file(name, path, signal, 'bytes=0-0');
  } catch (error) {
    if (error instanceof HubMissingError) return null;
    throw error;
  }
  await response.body?.cancel().catch(() => undefined);
  const size = sizeOf(response);
  if (size === null) throw new HubError(`the hub does not say how large ${path} of ${name.id} is.`);
  const commit = response.headers.get('x-repo-commit');
  return { size, commit: commit !== null && isCommit(commit) ? commit : null };
}

/** Of the whole file; null where the headers that say it can't be read. */
function sizeOf({ status, headers }: Response): number | null {
  const text =
    status === 200 ? headers.get('content-length') : (headers.get('content-range') ?? '').split('/')[1];
  const size = Number(text);
  return text && Number.isSafeInteger(size) && size >= 0 ? size : null;
}
