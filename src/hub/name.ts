/** Names of models on a hub, `owner/name` or `owner/name@revision`, and the addresses they stand for. Pure. */
import { InputError } from '../model/text.ts';

export interface HubName {
  /** `owner/name` */
  readonly id: string;
  /** A branch, a tag or a commit; 'main' where none is named. */
  readonly revision: string;
}

const PART = String.raw`(?!.*\.\.)[\w-][\w.-]{0,95}`;
const NAME = new RegExp(`^(${PART}/${PART})(?:@([\\w][\\w./-]{0,199}))?$`);
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a name of the settings is a hub's, and not 'default', an address or a folder's. */
export const isHubName = (name: string): boolean => NAME.test(name);

/** @throws InputError where the name is not of that form */
export function parseHubName(name: string): HubName {
  const [, id, revision = 'main'] = NAME.exec(name) ?? [];
  if (id === undefined || revision.includes('..')) {
    throw new InputError(
      `"${name}" is no model of a hub: write owner/name, or owner/name@revision for a branch, tag or commit.`,
    );
  }
  return { id, revision };
}

/** A commit's whole hash: what it names never changes. */
export const isCommit = (revision: string): boolean => COMMIT.test(revision);

/** The hub's address without slashes at its end. */
export const hubBase = (hub: string): string => hub.replace(/\/+$/, '');

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** `{base}/{id}/resolve/{revision}/{path}` */
export function fileAddress(hub: string, { id, revision }: HubName, path: string): string {
  return `${hubBase(hub)}/${encoded(id)}/resolve/${encodeURIComponent(revision)}/${encoded(path)}`;
}

/** Where a hub lists a model's files with sizes and hashes. */
export function listingAddress(hub: string, { id, revision }: HubName): string {
  return `${hubBase(hub)}/api/models/${encoded(id)}/revision/${encodeURIComponent(revision)}?blobs=true`;
}
