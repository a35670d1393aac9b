/** Reads the lab's command line and checks every named file, before any browser is started. */
import { basename } from 'node:path';
import { readSeeds } from '../../src/app/lab/draft.ts';
import { gridAxis } from '../../src/lab/grid-axis.ts';
import { type GridAxis, labConfig, PLAN_IDS, type PlanId } from '../../src/lab/plans.ts';
import { DEFAULT_CONFIG, type RunConfig } from '../../src/pipeline/config.ts';
import type { Mapping } from '../../src/pipeline/import/index.ts';
import { readMapping } from './data.ts';
import { UsageError } from './fail.ts';
import {
  dataPath,
  modelSource,
  naming,
  onnxSource,
  outPath,
  readConfig,
  readFlags,
  readText,
  SETTING_OPTIONS,
  type Source,
  settingsHelp,
} from './flags.ts';

export interface LabCommand {
  readonly config: RunConfig;
  readonly model: Source;
  readonly embedder: Source;
  /** Null without one. */
  readonly reward: Source | null;
  /** Path of the data file, or null for the embedded data. */
  readonly data: string | null;
  readonly mapping?: Mapping;
  /** Path of the file with answers of other models, or null: those of the embedded data, where the data are. */
  readonly imported: string | null;
  readonly plans: readonly PlanId[];
  /** 'all' was asked for: plans that the data do not allow are left out. */
  readonly all: boolean;
  readonly axes: readonly GridAxis[];
  readonly seeds: readonly number[];
  readonly finalShare: number;
  readonly final: boolean;
  readonly verdicts: readonly VerdictFile[];
  /** Pairs of arms. */
  readonly questions: readonly (readonly [armA: string, armB: string])[];
  readonly check: boolean;
  /** Folder to be written; null only with `check`. */
  readonly out: string | null;
  readonly keep: boolean;
  readonly quiet: boolean;
}

export interface VerdictFile {
  readonly judge: string;
  readonly text: string;
}

const OPTIONS = {
  ...SETTING_OPTIONS,
  plan: { type: 'string', multiple: true },
  grid: { type: 'string', multiple: true },
  seeds: { type: 'string' },
  imported: { type: 'string' },
  reward: { type: 'string' },
  'final-share': { type: 'string' },
  final: { type: 'boolean' },
  verdicts: { type: 'string', multiple: true },
  questions: { type: 'string', multiple: true },
  check: { type: 'boolean' },
  keep: { type: 'boolean' },
  out: { type: 'string' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** The parsed command, or 'help'. Throws UsageError. */
export function readLabArguments(argv: readonly string[]): LabCommand | 'help' {
  const flags = readFlags(argv, OPTIONS);
  if (flags.help) return 'help';
  const embedded = flags.data === undefined || flags.data === 'default';
  const config = readConfig(flags, (before) => labConfig(before, embedded));
  const { plans, all } = readPlans(flags.plan ?? []);
  const axes = (flags.grid ?? []).map((text) => readAxis(text, config));
  if (plans.length + axes.length === 0) {
    throw new UsageError(
      `--plan NAME is missing: what the arms are, any of ${[...PLAN_IDS, 'all'].join(', ')}, or a --grid.`,
    );
  }
  if (!flags.check && flags.out === undefined) {
    throw new UsageError('--out DIR is missing: the folder the report is written to.');
  }
  const questions = (flags.questions ?? []).map(readArms);
  return {
    config,
    model: modelSource(config.model),
    embedder: onnxSource('embedder', config.embedder),
    reward: flags.reward === undefined ? null : onnxSource('reward', flags.reward),
    data: dataPath(flags.data ?? 'default'),
    ...(flags.map !== undefined && { mapping: readMapping(flags.map) }),
    imported: dataPath(flags.imported ?? 'default', '--imported'),
    plans,
    all,
    axes,
    seeds: naming(`--seeds ${flags.seeds ?? ''}`, () => readSeeds(flags.seeds ?? '1,2,3')),
    finalShare: share(flags['final-share'] ?? '0'),
    final: flags.final ?? false,
    verdicts: (flags.verdicts ?? []).map((path) => ({
      judge: basename(path),
      text: readText('--verdicts', path),
    })),
    questions,
    check: flags.check ?? false,
    out: flags.out === undefined ? null : outPath(flags.out),
    // Questions are asked to be answered: their verdicts need the lab.
    keep: (flags.keep ?? false) || questions.length > 0,
    quiet: flags.quiet ?? false,
  };
}

function readPlans(texts: readonly string[]): { plans: PlanId[]; all: boolean } {
  const names = texts.flatMap((text) => text.split(',').map((name) => name.trim()));
  const plans = names.flatMap((name): readonly PlanId[] => {
    if (name === 'all') return PLAN_IDS;
    const plan = PLAN_IDS.find((id) => id === name);
    if (plan === undefined) {
      throw new UsageError(
        `--plan ${name}: there is no such plan; there are ${[...PLAN_IDS, 'all'].join(', ')}.`,
      );
    }
    return [plan];
  });
  return { plans: [...new Set(plans)], all: names.includes('all') };
}

function readAxis(text: string, config: RunConfig): GridAxis {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--grid ${text}: expected key=value,value, e.g. --grid dpo.beta=0.05,0.1`);
  return naming(`--grid ${text}`, () => gridAxis(text.slice(0, at), text.slice(at + 1), config));
}

function readArms(text: string): readonly [string, string] {
  const [armA = '', armB = '', ...more] = text.split(',').map((name) => name.trim());
  if (armA === '' || armB === '' || more.length > 0 || armA === armB) {
    throw new UsageError(`--questions ${text}: expected two arms, e.g. --questions sft,k8`);
  }
  return [armA, armB];
}

function share(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 0.9)) throw new UsageError(`--final-share ${text}: expected 0 to 0.9.`);
  return value;
}

/** Text of --help, the settings included. */
export function labHelpText(): string {
  return `Compares arms of Self-Contrast on your data in headless Chromium, and writes a report.

npm run lab -- [flags] --plan NAME --out DIR

  --plan NAME,...       what to compare:
                          negatives  1, 2, 4, 8 and 16 negatives a prompt
                          filter     the least similar answers against random and the most similar ones
                          threshold  100, 75, 50 and 25 % of the answers kept
                          baselines  base, SFT, longer SFT, DPO on rejected answers, SPIN, iterated Self-Contrast
                          sources    own answers against those of other models (--imported)
                          all        all of these that the data allow
  --grid KEY=V1,V2      a plan of your own: any setting below; several make every combination
  --seeds LIST          every arm is computed with each of them (default 1,2,3)
  --data FILE           prompts with target answers, in any of the usual formats; default: the embedded data
  --map ROLE=COLUMN,... which column is the prompt, the target, the rejected answer, the system message, where the
                        format is not recognised: --map prompt=question.text,target=answers.0
  --imported FILE       answers of other models by prompt, in the formats of --data; the embedded data have their own
  --model DIR|HUB_ID    folder in Hugging Face layout, or a hub id, owner/name or owner/name@revision
                        (HF_ENDPOINT: a mirror; HF_TOKEN: for gated models); default: the embedded model
  --embedder DIR|HUB_ID folder in transformers.js layout, or a hub id; default: the embedded embedder
  --reward DIR|HUB_ID   a reward model to judge with: a sequence-classification model in transformers.js layout;
                        default: the embedded one, which knows the embedded data alone
  --backend NAME        auto, webgpu or wasm
  --config FILE         run.json of an earlier run, or a RunConfig as JSON; the other flags win over it
  --set key=value       any setting below, for all arms; may be repeated
  --final-share SHARE   share of the held-out prompts kept for one last look (default 0; the embedded data have
                        a final split of their own)
  --final               takes that last look when all arms are done: answers the final split, and reports on it in
                        OUT/final
  --questions ARM,ARM   also writes OUT/questions-ARM-ARM.jsonl, {id, prompt, a, b} a line, for a judge elsewhere;
                        may be repeated, and keeps the lab as --keep does
  --verdicts FILE       takes a judge's verdicts, {id, verdict: a, b or tie} a line, or CSV; may be repeated
  --check               tells the arms, what they share, and what they would take, and stops
  --out DIR             the folder that is written. The lab itself is in DIR/.lab until it is done: after Ctrl-C or a
                        crash the same command goes on with it
  --keep                leaves DIR/.lab when the lab is done, for --verdicts, --questions or --final later
  --quiet               no progress, only the result
  --help                this text

Settings:
${settingsHelp().replace(/(sample\.n .*\n.*default )\d+/, `$1${labConfig(DEFAULT_CONFIG).sample.n}`)}
`;
}
