/** What the model's worker offers, and what it hands over. Pure types, shared by both sides. */
import type { BackendName, ModelInfo, SelfCheck } from '../engine/types.ts';
import type { RunConfig } from './config.ts';
import type { Fit } from './fit.ts';
import type { Arm, DataRow, RefusedRow, RunEvent, Stage } from './types.ts';

/** What workers/model.ts offers to the page and the headless runner (through comlink). */
export interface ModelWorkerApi {
  /** Runs the unfinished stages of a stored run, up to and including `until` (default: all). */
  run(runId: string, onEvent: (event: RunEvent) => void, until?: Stage): Promise<void>;
  /** Stops at the next safe point (within a decode slice or a micro-batch); everything finished is stored. */
  stop(): Promise<void>;
  /** Reads model and data, reports what a run would do, and stops (--check). */
  check(runId: string): Promise<CheckResult>;
  /** Checks the run's device with its model now, whatever is known of them. */
  selfCheck(runId: string): Promise<SelfCheck>;
  /** Whether a run would fit this device, before anything large is read or fetched. */
  fit(ask: FitQuestion): Promise<Fit>;
  /** One row as the run's model sees it. */
  see(runId: string, row: DataRow): Promise<SeenRow>;
  /** One answer of one arm of a finished (or partly finished) run; tokens are streamed. */
  chat(
    runId: string,
    arm: Arm,
    messages: readonly { role: 'system' | 'user' | 'assistant'; content: string }[],
    options: { temperature: number; seed: number },
    onText: (text: string) => void,
  ): Promise<string>;
  /** The files of OUT/ (DESIGN.md) of a run, as far as it has come. */
  exportFiles(runId: string): Promise<ExportFile[]>;
  /**
   * A run in another tool's format. Each file is handed over before the next one is made; `onProgress` is told
   * the share done in 0..1. `stop` ends it.
   */
  exportAs(
    runId: string,
    format: ExportFormat,
    arm: Arm,
    onFile: (file: ExportFile) => void | Promise<void>,
    onProgress: (share: number) => void,
  ): Promise<void>;
  /** Answers to the prompts of a benchmark file (its text), in that benchmark's answer format. */
  answer(
    runId: string,
    text: string,
    options: AnswerOptions,
    onProgress: (share: number) => void,
  ): Promise<AnswerFile>;
}

/** Formats beside the files of OUT/; src/pipeline/export says what each is. */
export const EXPORT_FORMATS = [
  'merged',
  'merged-f16',
  'merged-f32',
  'gguf',
  'onnx',
  'trl',
  'llama-factory',
  'parquet',
  'cluster',
] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface AnswerOptions {
  readonly arm: Arm;
  /** 0 is greedy. */
  readonly temperature: number;
  /** Tokens of an answer at most; the context may allow fewer. */
  readonly maxTokens: number;
}

export interface AnswerFile {
  readonly file: ExportFile;
  readonly answers: number;
  /** Turns that did not fit the model's context; their answers are empty. */
  readonly tooLong: number;
}

export interface ExportFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface FitQuestion {
  readonly config: RunConfig;
  /** config.json as parsed JSON; left out, the model's own is read. */
  readonly modelConfig?: unknown;
  /** A stored run: its data give the lengths. Before they are known: a short prompt, and the settings' tokens. */
  readonly run?: string;
  /** Bytes that would be fetched first. */
  readonly download?: number;
}

/** A row in tokens, each as a text of its own. */
export interface SeenRow {
  /** Of a long prompt the beginning and the end. */
  readonly prompt: readonly string[];
  /** Trained on: what the loss counts. Empty without a target. */
  readonly target: readonly string[];
  readonly promptTokens: number;
  readonly targetTokens: number;
  readonly model: ModelInfo;
}

export interface CheckResult {
  readonly rowsRead: number;
  readonly refused: readonly RefusedRow[];
  readonly train: number;
  readonly heldOut: number;
  readonly firstPrompt: { text: string; pieces: readonly string[]; targetPieces: readonly string[] };
  readonly needs: Readonly<Record<string, number>>;
  readonly fit: Fit;
  readonly model: ModelInfo;
  readonly backend: BackendName;
  readonly note: string;
}
