/** The IndexedDB schema, as a type. Its migrations are in migrations.ts. */
import type { DBSchema, IDBPDatabase, StoreNames } from 'idb';
import type {
  Checkpoint,
  DataRow,
  DatasetInfo,
  EvaluationRecord,
  HeldOutAnswer,
  MetricRecord,
  PairRecord,
  PreparedInfo,
  PromptResponses,
  ReferenceRecord,
  RefusedRow,
  RunManifest,
  TokenizedPrompt,
} from '../pipeline/types.ts';

/** One row a file of a model folder the user gave. */
export interface ModelFile {
  readonly folder: string;
  readonly path: string;
  readonly data: Blob;
}

/** A chunk of a long list: see chunks.ts. The owner is a data set or a run. */
export type ChunkKey = [owner: string, part: string, from: number];

export interface Schema extends DBSchema {
  datasets: { key: string; value: DatasetInfo };
  /** Of a data set; parts 'rows' and 'heldOut'. */
  rows: { key: ChunkKey; value: DataRow[] };
  /** Of a data set, parts 'refused' and 'duplicates'; of a run's prepared data, part 'refused'. */
  refused: { key: ChunkKey; value: RefusedRow[] };
  runs: { key: string; value: RunManifest };
  prepared: { key: string; value: PreparedInfo };
  /** Of a run's prepared data; parts 'train' and 'heldOut'. */
  tokens: { key: ChunkKey; value: TokenizedPrompt[] };
  responses: { key: [run: string, index: number]; value: PromptResponses };
  references: { key: [run: string, index: number]; value: ReferenceRecord };
  pairs: { key: string; value: PairRecord[] };
  metrics: { key: [run: string, stage: string, step: number]; value: MetricRecord };
  checkpoints: { key: [run: string, stage: string]; value: Checkpoint };
  evaluation: { key: [run: string, arm: string, index: number]; value: EvaluationRecord };
  answers: { key: string; value: HeldOutAnswer[] };
  models: { key: [folder: string, path: string]; value: ModelFile };
}

export const VERSION = 2;

export type Database = IDBPDatabase<Schema>;
/** Names for a transaction over several stores. */
export type Stores = StoreNames<Schema>[];
