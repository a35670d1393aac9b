/** The prepared data of a run: its rows in chunks, what is known of them beside. */
import { describePrepared } from '../pipeline/describe.ts';
import type { PreparedData, TokenizedPrompt, TokenizedRow } from '../pipeline/types.ts';
import { putAll, readItems, refusedSize, tokensSize, under } from './chunks.ts';
import { explained } from './errors.ts';
import type { Database, Stores } from './schema.ts';

/** Stores of a run's prepared data, for transactions that clear them. */
export const PREPARED_STORES: Stores = ['prepared', 'tokens', 'refused'];

/** In one transaction, so that there is all of it or nothing. */
export async function savePrepared(db: Database, run: string, prepared: PreparedData): Promise<void> {
  const tx = db.transaction([...PREPARED_STORES], 'readwrite');
  const [tokens, refused] = [tx.objectStore('tokens'), tx.objectStore('refused')];
  const work = async () => {
    await Promise.all([tokens.delete(under(run)), refused.delete(under(run))]);
    await putAll(prepared.train, tokensSize, (from, chunk) => tokens.put(chunk, [run, 'train', from]));
    await putAll(prepared.heldOut, tokensSize, (from, chunk) => tokens.put(chunk, [run, 'heldOut', from]));
    await putAll(prepared.refused, refusedSize, (from, chunk) => refused.put(chunk, [run, 'refused', from]));
    await tx.objectStore('prepared').put(describePrepared(prepared), run);
  };
  await explained(Promise.all([work(), tx.done]));
}

/** All of it; the page reads pages instead. */
export async function loadPrepared(db: Database, run: string): Promise<PreparedData | undefined> {
  if ((await db.get('prepared', run)) === undefined) return undefined;
  const [train, heldOut, refused] = await Promise.all([
    readItems(db.transaction('tokens').store, run, 'train'),
    readItems(db.transaction('tokens').store, run, 'heldOut'),
    readItems(db.transaction('refused').store, run, 'refused'),
  ]);
  return { train: train.map(asTrainingRow), heldOut, refused };
}

function asTrainingRow(row: TokenizedPrompt): TokenizedRow {
  const { target, targetIds } = row;
  if (target === undefined || targetIds === undefined) {
    throw new Error('internal: a stored training row has no target');
  }
  return { ...row, target, targetIds };
}
