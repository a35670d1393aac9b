/** How much the browser still lets the page store. */

/** navigator.storage.estimate, in bytes. */
export type EstimateStorage = () => Promise<{ readonly usage?: number; readonly quota?: number }>;

/** Nothing where the browser does not tell. */
export const estimateStorage: EstimateStorage = async () => (await navigator.storage?.estimate?.()) ?? {};

/** Bytes left; null where the browser does not tell. */
export async function storageLeft(estimate = estimateStorage): Promise<number | null> {
  const { usage, quota } = await estimate();
  return usage === undefined || quota === undefined ? null : quota - usage;
}

/** Looks before writing, not at the first write that fails: a full disk is trouble for more than this page. */
export async function checkSpace(
  need: number,
  refuse: (need: string, left: string) => Error,
  estimate = estimateStorage,
): Promise<void> {
  const left = await storageLeft(estimate);
  if (left !== null && left < need) throw refuse(megabytes(need), megabytes(left));
}

const megabytes = (bytes: number): string => `${Math.max(0, Math.ceil(bytes / 1e6)).toLocaleString('en')} MB`;
