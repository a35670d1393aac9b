/** Stored models by the names that settings have for them. No network. */
import { isComplete } from '../storage/hub-store.ts';
import type { HubFile, HubRecord } from '../storage/schema.ts';
import type { CachedModel, HubRequest } from './api.ts';
import type { FoundModel } from './find.ts';
import { hubBase, isCommit, parseHubName } from './name.ts';

/** What settings name to mean these very files later, too. */
export const pinnedName = ({
  id,
  commit,
  revisions,
}: Pick<HubRecord, 'id' | 'commit' | 'revisions'>): string => `${id}@${commit ?? revisions.at(-1) ?? 'main'}`;

export const keyOf = ({ use, hub }: HubRequest, { name, commit }: FoundModel): string =>
  `${use} ${hubBase(hub)}/${name.id}@${commit ?? name.revision}`;

/**
 * The model that is stored whole under a name. A commit is the same on every hub; a branch is where it was when its
 * hub was last asked.
 */
export function findStored(
  records: readonly HubRecord[],
  { use, hub, name }: HubRequest,
): HubRecord | undefined {
  const { id, revision } = parseHubName(name);
  const fits = (record: HubRecord): boolean =>
    record.use === use &&
    record.id === id &&
    isComplete(record) &&
    (isCommit(revision)
      ? record.commit === revision
      : record.hub === hubBase(hub) && record.revisions.includes(revision));
  return records.filter(fits).sort((a, b) => b.changed - a.changed)[0];
}

const sameFile = (a: Pick<HubFile, 'path' | 'size' | 'hash'>, b: HubFile): boolean =>
  a.path === b.path && a.size === b.size && a.hash?.hex === b.hash?.hex;

/** Of files that a record has just so, what it knows of them. */
export const withKnown = (files: readonly HubFile[], record: HubRecord | undefined): HubFile[] =>
  files.map((file) => record?.files.find((known) => sameFile(file, known)) ?? file);

/**
 * The record of a model as its hub lists it now, with what is known of the files that are stored already.
 *
 * @param branch that was at this commit when the hub was asked for it
 */
export function recordOf(
  request: HubRequest,
  found: FoundModel,
  old: HubRecord | undefined,
  branch?: string,
): HubRecord {
  const { id, revision } = found.name;
  const asked = isCommit(revision) ? branch : revision;
  const others = (old?.revisions ?? []).filter((other) => other !== asked);
  return {
    key: keyOf(request, found),
    use: request.use,
    hub: hubBase(request.hub),
    id,
    commit: found.commit,
    revisions: asked === undefined ? others : [...others, asked],
    files: withKnown(
      found.files.map(({ path, size, hash }) => ({ path, size, hash, etag: null, checked: false })),
      old,
    ),
    changed: old?.changed ?? Date.now(),
  };
}

export const bytesOf = ({ files }: Pick<HubRecord, 'files'>): number =>
  files.reduce((sum, { size }) => sum + size, 0);

/** @param stored bytes of its files that are on this device */
export function describe(record: HubRecord, stored: number): CachedModel {
  const { key, use, hub, id, commit, revisions, changed } = record;
  return {
    key,
    use,
    hub,
    id,
    commit,
    revisions,
    pinned: pinnedName(record),
    bytes: bytesOf(record),
    stored,
    complete: isComplete(record) && stored >= bytesOf(record),
    changed,
  };
}
