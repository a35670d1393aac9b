/** Reading data files of any container and format: the door of src/pipeline/import. */
export { DataError, UnknownFormatError } from './errors.ts';
export { type BlobLike, blobFile, bytesFile, fileOf } from './file.ts';
export { formatTitle } from './formats/index.ts';
export { guessMapping } from './formats/mapping.ts';
export { Fingerprint, RowIndex, rowDigest } from './identity.ts';
export { previewData, readData } from './read.ts';
export type * from './types.ts';
export { CONTAINERS, FORMAT_NAMES } from './types.ts';
