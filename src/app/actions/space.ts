/** What this page takes of the browser's storage, and whether the browser promises to keep it. */
import { estimateStorage } from '../../storage/space.ts';
import { askedToKeep, persisted, said, storageUse } from '../signals.ts';
import { remember } from './memory.ts';

export async function measureStorage(): Promise<void> {
  const { usage, quota } = await estimateStorage();
  if (usage !== undefined && quota !== undefined) storageUse.value = { used: usage, quota };
  persisted.value = (await navigator.storage?.persisted?.()) ?? null;
}

/** Asks the browser not to remove what is stored when the disk fills up; it may ask the user, or decide by itself. */
export async function askToKeep(): Promise<void> {
  const kept = (await navigator.storage?.persist?.()) ?? false;
  persisted.value = kept;
  askedToKeep.value = true;
  remember('asked', kept ? 'kept' : 'refused');
  said.value = kept ? 'The browser keeps what is stored here.' : 'The browser has not promised to keep it.';
}
