/**
 * Long lists in pieces, so that no clone and no read ever holds all of one. A chunk's key ends in the index of its
 * first item: chunks may differ in length and any item is found without an index of them.
 */
import type { ChatMessage } from '../engine/types.ts';
import type { DataRow, RefusedRow, TokenizedPrompt } from '../pipeline/types.ts';
import { explained } from './errors.ts';
import type { ChunkKey } from './schema.ts';

/** A chunk is closed at so many items, or at about so many characters. */
const CHUNK_ITEMS = 250;
const CHUNK_CHARACTERS = 250_000;

/** Everything whose key begins so. */
export const under = (...prefix: string[]): IDBKeyRange => IDBKeyRange.bound(prefix, [...prefix, []]);

/** Collects items and hands them on in chunks, with the index of each chunk's first item. */
export class Chunker<T> {
  private items: T[] = [];
  private characters = 0;
  private from = 0;

  constructor(
    private readonly sizeOf: (item: T) => number,
    private readonly write: (from: number, items: T[]) => Promise<unknown>,
  ) {}

  async add(items: readonly T[]): Promise<void> {
    for (const item of items) {
      this.items.push(item);
      this.characters += this.sizeOf(item);
      if (this.items.length >= CHUNK_ITEMS || this.characters >= CHUNK_CHARACTERS) await this.flush();
    }
  }

  async flush(): Promise<void> {
    if (this.items.length === 0) return;
    const { from, items } = this;
    this.from += items.length;
    this.items = [];
    this.characters = 0;
    await this.write(from, items);
  }
}

const lengthOf = (texts: readonly string[] = []): number => texts.reduce((sum, text) => sum + text.length, 0);
const turns = (history: readonly ChatMessage[] = []): number =>
  history.reduce((sum, { content }) => sum + content.length, 0);

/** About how many characters a row takes. */
export function rowSize({ prompt, target = '', history, rejected }: DataRow): number {
  return prompt.length + target.length + turns(history) + lengthOf(rejected);
}

export function tokensSize(row: TokenizedPrompt): number {
  return rowSize(row) + 4 * (row.promptIds.length + (row.targetIds?.length ?? 0));
}

export function refusedSize({ reason, text = '' }: RefusedRow): number {
  return reason.length + text.length;
}

/** Stores a whole list within a transaction, one chunk in flight at a time. */
export async function putAll<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  put: (from: number, chunk: T[]) => Promise<unknown>,
): Promise<void> {
  const chunks = new Chunker<T>(sizeOf, (from, chunk) => explained(put(from, chunk)));
  await chunks.add(items);
  await chunks.flush();
}

/** An object store of chunks, as `db.transaction(name).store` is. */
interface ChunkSource<T> {
  openKeyCursor(range: IDBKeyRange, direction: 'prev'): Promise<{ readonly key: ChunkKey } | null>;
  getAllKeys(range: IDBKeyRange): Promise<ChunkKey[]>;
  get(key: ChunkKey): Promise<T[] | undefined>;
}

/** Items `from` to `to` (exclusive) of one list; fewer where it ends before. */
export async function readItems<T>(
  chunks: ChunkSource<T>,
  owner: string,
  part: string,
  from = 0,
  to = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  if (to <= from) return [];
  const before = IDBKeyRange.bound([owner, part, 0], [owner, part, from]);
  const first = (await chunks.openKeyCursor(before, 'prev'))?.key[2] ?? 0;
  const range = IDBKeyRange.bound([owner, part, first], [owner, part, to], false, true);
  const items: T[] = [];
  for (const key of await chunks.getAllKeys(range)) {
    const chunk = (await chunks.get(key)) ?? [];
    // One by one: a spread of a long list could overflow the stack.
    for (const item of chunk.slice(Math.max(0, from - key[2]), to - key[2])) items.push(item);
  }
  return items;
}
