/** Exports and benchmark answers of the headless page, posted file by file as they are made. */
import type { Arm } from '../pipeline/types.ts';
import type { AnswerOptions, ExportFile, ExportFormat } from '../pipeline/worker-api.ts';
import { callback, callWorker } from './client.ts';

export interface HeadlessExtras {
  readonly formats: readonly ExportFormat[];
  readonly arm: Arm;
  readonly benchmarks: readonly { readonly name: string; readonly text: string }[];
  readonly answers: AnswerOptions;
}

/** What the runner is told meanwhile. */
export interface ExtraProgress {
  readonly what: string;
  /** 0..1 */
  readonly share: number;
}

/** What the user should know of the extras; a failed one takes nothing else with it. */
export interface ExtraResult {
  /** What was answered with nothing. */
  readonly remarks: readonly string[];
  readonly failures: readonly string[];
}

/**
 * @param post takes files by their place under OUT
 * @param say is told the share done of each format or benchmark
 */
export async function writeExtras(
  runId: string,
  { formats, arm, benchmarks, answers }: HeadlessExtras,
  post: (files: readonly ExportFile[]) => Promise<void>,
  say: (progress: ExtraProgress) => void,
): Promise<ExtraResult> {
  const remarks: string[] = [];
  const failures: string[] = [];
  const attempt = async (what: string, work: (onShare: (share: number) => void) => Promise<void>) => {
    try {
      await work(callback((share: number) => say({ what, share: Math.min(share, 0.99) })));
      say({ what, share: 1 });
    } catch (error) {
      failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  for (const format of formats) {
    await attempt(`export ${format}`, async (onShare) => {
      const onFile = callback(({ path, bytes }: ExportFile) => post([{ path: `export/${path}`, bytes }]));
      await callWorker((api) => api.exportAs(runId, format, arm, onFile, onShare));
    });
  }
  for (const { name, text } of benchmarks) {
    await attempt(`answers to ${name}`, async (onShare) => {
      const {
        file,
        tooLong,
        answers: count,
      } = await callWorker((api) => api.answer(runId, text, answers, onShare));
      await post([{ path: `answers/${name}/${file.path}`, bytes: file.bytes }]);
      if (tooLong === 0) return;
      remarks.push(
        `${name}: ${tooLong} of ${count} turns do not fit the model's context; their answers are empty.`,
      );
    });
  }
  return { remarks, failures };
}
