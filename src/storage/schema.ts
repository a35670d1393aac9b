/** The IndexedDB schema, as a type. Its migrations are in migrations.ts. */
import type { DBSchema, IDBPDatabase, StoreNames } from 'idb';
import type { Diagnosis, LabManifest, RewardRecord, Verdict } from '../lab/types.ts';
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

/** A folder the user gave. Written with or after its files, so that there is none without them. */
export interface FolderInfo {
  readonly name: string;
  /** As its files show. */
  readonly kind: 'model' | 'embedder' | 'reward' | 'adapter';
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly files: number;
  readonly bytes: number;
}

/** A file of a model fetched from a hub; its bytes lie in parts. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the bytes, or SHA-1 as git takes it of a blob; null where the hub gives none. */
  readonly hash: { readonly kind: 'sha256' | 'git'; readonly hex: string } | null;
  /** Of the answer that the stored parts come from; null where the hub gives none. */
  readonly etag: string | null;
  /** All of it is stored, and has this size and hash. */
  readonly checked: boolean;
}

/** A model fetched from a hub, or as much of it as has come. */
export interface HubRecord {
  readonly key: string;
  readonly use: 'model' | 'embedder' | 'reward';
  readonly hub: string;
  readonly id: string;
  /** Null where the hub does not say. */
  readonly commit: string | null;
  /** Branches and tags it was asked for by, the newest last. */
  readonly revisions: readonly string[];
  readonly files: readonly HubFile[];
  /** Milliseconds since 1970. */
  readonly changed: number;
}

/** A chunk of a long list: see chunks.ts. The owner is a data set, a run or a lab's piece. */
export type ChunkKey = [owner: string, part: string, from: number];

/**
 * A lab's piece is stored as a run is, in the same stores under an id of its own, LAB/KEY (labs.ts), but has no entry
 * in 'runs'. Where a key below says run, it may be such an id.
 */
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
  folders: { key: string; value: FolderInfo };
  hub: { key: string; value: HubRecord };
  /** Of a hub's model: bytes of a file from `from` on, without gaps. */
  parts: { key: [model: string, path: string, from: number]; value: Blob };
  labs: { key: string; value: LabManifest };
  /** Of a lab's piece, as 'diagnosis'. */
  rewards: { key: [piece: string, index: number]; value: RewardRecord };
  diagnosis: { key: string; value: Diagnosis };
  verdicts: { key: [lab: string, judge: string, id: string]; value: Verdict };
}

export const VERSION = 4;

export type Database = IDBPDatabase<Schema>;
/** Names for a transaction over several stores. */
export type Stores = StoreNames<Schema>[];
