/** How much of a file may be in memory at once; what is larger is refused in words. */
const MB = 2 ** 20;

/** Longest record that is read; longer ones are skipped without being kept. */
export const MAX_RECORD = 64 * MB;
/** Bytes looked at to tell what a file is. */
export const HEAD = 256 * 1024;
/** Compressed bytes unpacked at a time: they become at most about a thousand times as many. */
export const GZIP_STEP = 8 * 1024;
/** Parquet can't be read in order, so a packed one is unpacked into memory. */
export const MAX_PACKED_PARQUET = 512 * MB;
/** Unpacked bytes of a Parquet file that are decoded at a time. */
export const PARQUET_STEP = 128 * MB;
/** Largest single page of a Parquet file, unpacked. */
export const MAX_PARQUET_PAGE = 256 * MB;

export const inMegabytes = (bytes: number): string => `${Math.round(bytes / MB)} MB`;
