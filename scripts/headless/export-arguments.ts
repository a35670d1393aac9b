/** The flags that ask for more than OUT's own files: --export, --answer and what belongs to them. */
import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { readBenchmark } from '../../src/pipeline/export/answers.ts';
import { DEFAULT_ANSWERS } from '../../src/pipeline/export/defaults.ts';
import type { Arm } from '../../src/pipeline/types.ts';
import { type AnswerOptions, EXPORT_FORMATS, type ExportFormat } from '../../src/pipeline/worker-api.ts';
import { UsageError } from './fail.ts';

/** What is written beside OUT's own files: OUT/export/... and OUT/answers/... */
export interface Extras {
  readonly formats: readonly ExportFormat[];
  readonly arm: Arm;
  /** Benchmark files, read and recognised; the name is unique. */
  readonly benchmarks: readonly { readonly name: string; readonly text: string }[];
  readonly answers: AnswerOptions;
}

export const EXPORT_OPTIONS = {
  export: { type: 'string' },
  answer: { type: 'string', multiple: true },
  arm: { type: 'string' },
  'answer-temperature': { type: 'string' },
  'answer-tokens': { type: 'string' },
} as const;

interface Flags {
  readonly export?: string;
  readonly answer?: readonly string[];
  readonly arm?: string;
  readonly 'answer-temperature'?: string;
  readonly 'answer-tokens'?: string;
}

const ARMS: readonly Arm[] = ['base', 'sft', 'selfContrast'];

/** @throws UsageError naming the flag */
export function readExtras(flags: Flags, expand: (path: string) => string): Extras {
  const arm = ARMS.find((each) => each === (flags.arm ?? 'selfContrast'));
  if (arm === undefined) throw new UsageError(`--arm ${flags.arm}: it must be one of ${ARMS.join(', ')}.`);
  const formats = (flags.export ?? '').split(',').flatMap((item) => {
    const name = item.trim();
    if (name === '') return [];
    const format = EXPORT_FORMATS.find((each) => each === name);
    if (format === undefined) {
      throw new UsageError(
        `--export ${name}: there is no such format; there are ${EXPORT_FORMATS.join(', ')}.`,
      );
    }
    return format;
  });
  const benchmarks = (flags.answer ?? []).map((path) => {
    const text = readFile(path, expand(path));
    return { name: basename(path, extname(path)), text };
  });
  const twice = benchmarks.find(({ name }, i) => benchmarks.findIndex((other) => other.name === name) !== i);
  if (twice) throw new UsageError(`--answer: two files are called ${twice.name}; rename one.`);
  return {
    formats: [...new Set(formats)],
    arm,
    benchmarks,
    answers: {
      arm,
      temperature: number(flags, 'answer-temperature', DEFAULT_ANSWERS.temperature, (x) => x >= 0 && x <= 10),
      maxTokens: number(
        flags,
        'answer-tokens',
        DEFAULT_ANSWERS.maxTokens,
        (x) => Number.isInteger(x) && x > 0,
      ),
    },
  };
}

function readFile(flag: string, path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    readBenchmark(text);
    return text;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--answer ${flag}: ${code === 'ENOENT' ? 'no such file.' : message}`);
  }
}

function number(
  flags: Flags,
  name: 'answer-temperature' | 'answer-tokens',
  fallback: number,
  good: (x: number) => boolean,
): number {
  const text = flags[name];
  if (text === undefined) return fallback;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!good(value)) throw new UsageError(`--${name} ${text} is not allowed.`);
  return value;
}

export const EXPORT_HELP = `  --export LIST         also write OUT/export/...: any of ${EXPORT_FORMATS.slice(0, 5).join(', ')},
                        ${EXPORT_FORMATS.slice(5).join(', ')} (comma separated)
  --answer FILE         also answer a benchmark's prompts to OUT/answers/...: MT-Bench's question.jsonl or an
                        AlpacaEval list; may be repeated
  --arm NAME            whose weights --export and --answer use: base, sft or selfContrast (default)
  --answer-temperature T, --answer-tokens N
                        how --answer samples: 0 (default) is greedy; ${DEFAULT_ANSWERS.maxTokens} tokens at most`;
