/** The IndexedDB schema, as a type, and its migrations. */
import type { DBSchema, IDBPDatabase } from 'idb';
import type {
  Checkpoint,
  Dataset,
  EvaluationRecord,
  HeldOutAnswer,
  MetricRecord,
  PairRecord,
  PreparedData,
  PromptResponses,
  ReferenceRecord,
  RunManifest,
} from '../pipeline/types.ts';

/** One row a file of a model folder the user gave. */
export interface ModelFile {
  readonly folder: string;
  readonly path: string;
  readonly data: Blob;
}

export interface Schema extends DBSchema {
  datasets: { key: string; value: Dataset };
  runs: { key: string; value: RunManifest };
  prepared: { key: string; value: PreparedData };
  responses: { key: [run: string, index: number]; value: PromptResponses };
  references: { key: [run: string, index: number]; value: ReferenceRecord };
  pairs: { key: string; value: PairRecord[] };
  metrics: { key: [run: string, stage: string, step: number]; value: MetricRecord };
  checkpoints: { key: [run: string, stage: string]; value: Checkpoint };
  evaluation: { key: [run: string, arm: string, index: number]; value: EvaluationRecord };
  answers: { key: string; value: HeldOutAnswer[] };
  models: { key: [folder: string, path: string]; value: ModelFile };
}

export const VERSION = 3;

/** Brings a database of any earlier version up to date, one step after the other. */
export function migrate(db: IDBPDatabase<Schema>, oldVersion: number): void {
  if (oldVersion < 1) {
    for (const name of [
      'datasets',
      'runs',
      'prepared',
      'responses',
      'references',
      'pairs',
      'metrics',
      'checkpoints',
      'answers',
      'models',
    ] as const) {
      db.createObjectStore(name);
    }
  }
  if (oldVersion < 3) db.createObjectStore('evaluation');
}
