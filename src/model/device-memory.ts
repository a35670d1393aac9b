/** Browsers tell no more than 8 GiB, or 32 GiB in newer ones: what reaches the lower cap may be any amount. */
export const mayBeMore = (deviceMemory: number): boolean => deviceMemory >= 8 * 2 ** 30;
