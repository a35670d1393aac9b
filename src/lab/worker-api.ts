/** What the model's worker offers for labs, and what it hands over. Pure types, shared by both sides. */
import type { RefusedRow } from '../pipeline/types.ts';
import type { ExportFile } from '../pipeline/worker-api.ts';
import type { Comparison, ComparisonKey, LabEstimate, LabEvent, LabReport, Split, Verdict } from './types.ts';

export interface LabApi {
  /**
   * Works on a stored lab until every arm and seed is done or has failed. `stop` of the worker ends it at the next safe
   * point, with everything finished stored.
   */
  runLab(labId: string, onEvent: (event: LabEvent) => void): Promise<void>;
  /** What it would cost; `measure` computes a few batches first, which takes some seconds. */
  estimateLab(labId: string, measure: boolean): Promise<LabEstimate>;
  /** What is known by now. */
  labReport(labId: string, split: Split): Promise<LabReport>;
  /** The report as files: report.html, report.md, report.json and the figures' data. */
  labFiles(labId: string, split: Split): Promise<ExportFile[]>;
  /** Answers all arms on the final split, and notes that it was looked at. */
  lookAtFinal(labId: string, onEvent: (event: LabEvent) => void): Promise<void>;
  /** Questions for a judge on two arms, shuffled; the keys stay with the caller and are never shown. */
  comparisons(labId: string, armA: string, armB: string): Promise<Asked>;
  /**
   * Reads a file of verdicts (its text) on any two arms of the lab, and stores those that are good.
   *
   * @param judge who they are said to be of, e.g. the file's name
   * @throws InputError where the file as a whole is no file of verdicts
   */
  importVerdicts(labId: string, text: string, judge: string): Promise<ReadVerdicts>;
  /**
   * The adapters of all arms and seeds that are trained, in PEFT's layout: ARM-seedS/adapter_config.json and
   * ARM-seedS/adapter_model.safetensors. Each file is handed over before the next one is made.
   */
  adapters(labId: string, onFile: (file: ExportFile) => void | Promise<void>): Promise<void>;
  /** A run's own report, in the same form. */
  runReport(runId: string): Promise<LabReport>;
  runReportFiles(runId: string): Promise<ExportFile[]>;
  /** The answers that were kept as negatives, most similar to the target first, to be marked by hand. */
  suspects(labId: string, count: number): Promise<Suspect[]>;
}

export interface Asked {
  readonly comparisons: readonly Comparison[];
  readonly keys: readonly ComparisonKey[];
}

export interface Suspect {
  /** promptKey of the prompt: with the text it makes the mark. */
  readonly key: string;
  readonly prompt: string;
  readonly target: string;
  readonly text: string;
  readonly similarity: number;
  readonly correct?: boolean;
  readonly marked: boolean;
}

/** What came of a file of verdicts. */
export interface ReadVerdicts {
  readonly verdicts: readonly Verdict[];
  /** Rows that were refused: unknown or repeated ids, choices that are none. */
  readonly refused: readonly RefusedRow[];
}
