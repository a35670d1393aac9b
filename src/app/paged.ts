/** Long lists on the page: read a page at a time as rows are looked at, and forgotten again. */
import { signal } from '@preact/signals';

/** A list that may not be here yet. */
export interface Paged<T> {
  readonly length: number;
  /** Undefined while the item's page is read; a component that asked is drawn again when it is there. */
  at(index: number): T | undefined;
  /** Items `from` to `to` (exclusive), e.g. to write them out; fewer where the list ends before. */
  read(from: number, to: number): Promise<readonly T[]>;
}

const PAGE = 100;
/** Pages kept; a screen shows one or two. */
const KEPT = 30;
/** Pages asked for and not read yet: while someone drags the scrollbar, only the last few matter. */
const WANTED = 4;

/**
 * @param read items `from` to `to` (exclusive)
 * @param onError told when a page can't be read; it is not asked for again
 */
export function paged<T>(
  length: number,
  read: (from: number, to: number) => Promise<readonly T[]>,
  onError: (error: unknown) => void,
): Paged<T> {
  const version = signal(0);
  const pages = new Map<number, readonly T[]>();
  const wanted: number[] = [];
  let reading: number | null = null;

  const work = async () => {
    if (reading !== null) return;
    for (let page = wanted.pop(); page !== undefined; page = wanted.pop()) {
      reading = page;
      try {
        pages.set(page, await read(page * PAGE, Math.min(length, (page + 1) * PAGE)));
      } catch (error) {
        pages.set(page, []);
        onError(error);
      }
      const [oldest] = pages.keys();
      if (pages.size > KEPT && oldest !== undefined) pages.delete(oldest);
      reading = null;
      version.value++;
    }
  };

  return {
    length,
    read,
    at: (index) => {
      if (!(index >= 0 && index < length)) return undefined;
      void version.value;
      const page = Math.floor(index / PAGE);
      const items = pages.get(page);
      if (items !== undefined) return items[index - page * PAGE];
      if (page !== reading && !wanted.includes(page)) {
        wanted.push(page);
        if (wanted.length > WANTED) wanted.shift();
        // Not within a render: setting a signal there would draw twice.
        queueMicrotask(() => void work());
      }
      return undefined;
    },
  };
}

/** A list that is in memory. */
export function listed<T>(items: readonly T[]): Paged<T> {
  return {
    length: items.length,
    at: (index) => items[index],
    read: async (from, to) => items.slice(from, to),
  };
}
