/** Reads the command line into a RunConfig and checks every named file, before any browser is started. */
import type { RunConfig } from '../../src/pipeline/config.ts';
import type { Mapping } from '../../src/pipeline/import/index.ts';
import { readMapping } from './data.ts';
import { EXPORT_HELP, EXPORT_OPTIONS, type Extras, readExtras } from './export-arguments.ts';
import { UsageError } from './fail.ts';
import {
  dataPath,
  expand,
  modelSource,
  onnxSource,
  outPath,
  readConfig,
  readFlags,
  SETTING_OPTIONS,
  type Source,
  settingsHelp,
} from './flags.ts';

export interface Command {
  readonly config: RunConfig;
  readonly model: Source;
  readonly embedder: Source;
  /** Path of the data file, or null for the embedded data. */
  readonly data: string | null;
  /** PEFT folder or zip to start from, or null. */
  readonly adapter: string | null;
  /** SFT was asked for by name: it goes on from the adapter instead of being left out. */
  readonly sftAsked: boolean;
  readonly extras: Extras;
  /** Which column of the data file is what, where its format is not known. */
  readonly mapping?: Mapping;
  readonly check: boolean;
  /** Folder to be written; null only with `check`. */
  readonly out: string | null;
  readonly quiet: boolean;
}

/** The parsed command, or 'help'. Throws UsageError. */
export function readArguments(argv: readonly string[]): Command | 'help' {
  const flags = readFlags(argv, OPTIONS);
  if (flags.help) return 'help';
  const config = readConfig(flags);
  if (!flags.check && flags.out === undefined) {
    throw new UsageError('--out DIR is missing: the folder the adapter and the reports are written to.');
  }
  const out = flags.out === undefined ? null : outPath(flags.out);
  return {
    config,
    model: modelSource(config.model),
    embedder: onnxSource('embedder', config.embedder),
    data: dataPath(flags.data ?? 'default'),
    adapter: flags.adapter === undefined ? null : expand(flags.adapter),
    sftAsked: (flags.set ?? []).some((text) => text.startsWith('sft.epochs=')),
    extras: readExtras(flags, expand),
    ...(flags.map !== undefined && { mapping: readMapping(flags.map) }),
    check: flags.check ?? false,
    out,
    quiet: flags.quiet ?? false,
  };
}

const OPTIONS = {
  ...SETTING_OPTIONS,
  adapter: { type: 'string' },
  ...EXPORT_OPTIONS,
  check: { type: 'boolean' },
  out: { type: 'string' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Text of --help, the settings included. */
export function helpText(): string {
  return `Aligns a model by Self-Contrast in headless Chromium, and writes the adapter and the reports.

npm run selfcontrast -- [flags] --out DIR

  --config FILE         run.json of an earlier run, or a RunConfig as JSON; the other flags win over it
  --model DIR|HUB_ID    folder in Hugging Face layout, or a hub id, owner/name or owner/name@revision
                        (HF_ENDPOINT: a mirror; HF_TOKEN: for gated models); default: the embedded model.
                        A hub's model is fetched anew by every run: to fetch it once, name the folder it is in
  --data FILE           prompts with target answers: JSON Lines, JSON, CSV, TSV, Parquet, also as .gz, in any of
                        the usual formats; default: the embedded data
  --map ROLE=COLUMN,... which column is the prompt, the target, the rejected answer, the system message, where the
                        format is not recognised: --map prompt=question.text,target=answers.0
  --embedder DIR|HUB_ID folder in transformers.js layout, or a hub id; default: the embedded embedder
  --adapter DIR|ZIP     PEFT adapter to start from; it is the SFT result unless --set sft.epochs=... trains it on
  --backend NAME        auto, webgpu or wasm
  --set key=value       any setting below; may be repeated
  --check               reads model and data, tells what a run would do, and stops
  --out DIR             the folder that is written
${EXPORT_HELP}
  --quiet               no progress, only the result
  --help                this text

Settings:
${settingsHelp()}
`;
}
