/** What is printed at the end of a run or a check. */
import { mayBeMore } from '../../src/model/device-memory.ts';
import type { Fit } from '../../src/pipeline/fit.ts';
import type { Arm, HeldOutScore, Report, RunError, RunManifest } from '../../src/pipeline/types.ts';
import type { CheckResult } from '../../src/pipeline/worker-api.ts';
import { duration, short } from './progress.ts';

const ARMS: readonly (readonly [Arm, string])[] = [
  ['base', 'base'],
  ['sft', 'SFT'],
  ['selfContrast', 'Self-Contrast'],
];

/** Refused rows listed one by one; the rest are counted. */
const REFUSED_SHOWN = 20;

/** The table base / SFT / Self-Contrast, win rate, warnings and timings. */
export function summaryText(report: Report, manifest: RunManifest): string {
  const lines: string[] = [];
  const scores = ARMS.flatMap(([arm, label]) => {
    const score = report.evaluation.heldOut[arm];
    return score === undefined ? [] : [{ label, score }];
  });
  if (scores.length === 0) {
    lines.push('No held-out prompts: nothing was evaluated.');
  } else {
    lines.push(`Held-out prompts: ${scores[0]?.score.prompts ?? 0}`);
    lines.push(
      ...table([
        ['', 'accuracy', 'target logp/token', 'similarity', 'tokens'],
        ...scores.map(({ label, score }) => [
          label,
          accuracy(score),
          score.targetLogProb.toFixed(3),
          score.similarity.toFixed(3),
          score.meanTokens.toFixed(1),
        ]),
      ]),
    );
    const { winRateVsSft, judge, gainOverSft } = report.evaluation;
    if (gainOverSft) {
      const [gain, error] = [gainOverSft.accuracy, gainOverSft.error].map((x) => (100 * x).toFixed(1));
      lines.push(`Self-Contrast less SFT, paired by prompt: ${gain} points +- ${error}`);
    }
    if (winRateVsSft !== null) {
      lines.push(
        `Win rate against SFT: ${(100 * winRateVsSft).toFixed(1)} % (judged by ${judge ?? 'nothing'})`,
      );
    }
  }
  for (const warning of report.warnings) lines.push(`Warning: ${warning}`);
  const times = Object.entries(manifest.seconds).map(([stage, seconds]) => `${stage} ${duration(seconds)}`);
  const total = Object.values(manifest.seconds).reduce((sum, seconds) => sum + seconds, 0);
  lines.push(`Time: ${duration(total)} (${times.join(', ')})`);
  return lines.join('\n');
}

/** Why a run failed, what is likely behind it, and what to do. */
export function failureText({ stage, message, reasons = [], offer }: RunError): string {
  return [
    `${stage}: ${message}`,
    // The first reason of a failed step is part of its message.
    ...reasons.filter((reason) => !message.includes(reason)).map((reason) => `  likely: ${reason}`),
    ...(offer === 'wasm' ? ['  Run it again with --backend wasm.'] : []),
  ].join('\n');
}

/** What --check prints. */
export function checkText(check: CheckResult): string {
  const { model, firstPrompt } = check;
  const lines = [
    `Model: ${model.name} (${model.architecture}, ${short(model.parameterCount / 1e6)} M parameters, ` +
      `${model.layers} layers, context ${model.contextLength}), on ${check.backend}`,
    ...(check.note ? [`  ${check.note}`] : []),
    `Rows: ${check.rowsRead} read, ${check.refused.length} refused; ` +
      `${check.train} for training, ${check.heldOut} held out`,
    ...check.refused.slice(0, REFUSED_SHOWN).map((row) => `  line ${row.line}: ${row.reason}`),
  ];
  if (check.refused.length > REFUSED_SHOWN) {
    lines.push(`  ... and ${check.refused.length - REFUSED_SHOWN} more`);
  }
  lines.push(
    'First prompt, as the model sees it:',
    indent(firstPrompt.text),
    `  tokens: ${firstPrompt.pieces.map((piece) => JSON.stringify(piece)).join(' ')}`,
    `  target: ${firstPrompt.targetPieces.map((piece) => JSON.stringify(piece)).join(' ')}`,
    'The run would need:',
    ...Object.entries(check.needs).map(([what, amount]) => `  ${what}: ${short(amount)}`),
    ...fitText(check.fit),
  );
  return lines.join('\n');
}

function accuracy(score: HeldOutScore): string {
  if (score.accuracy === undefined) return '-';
  const error = score.accuracyError === undefined ? '' : ` +- ${(100 * score.accuracyError).toFixed(1)}`;
  return `${(100 * score.accuracy).toFixed(1)} %${error}`;
}

/** What the run takes in memory against what is there, and what would fit where it does not. */
export function fitText({ need, limits, fits, problems, trades, notes, suggestions }: Fit): string[] {
  const mb = (bytes: number) => `${Math.round(bytes / 1e6).toLocaleString('en')} MB`;
  const allowed = [
    limits.backend === 'wasm'
      ? `WebAssembly's memory ${mb(need.heap)} of ${mb(limits.heap)}`
      : `graphics device ${mb(need.gpu)}`,
    ...(limits.maxBuffer === null
      ? []
      : [`largest buffer ${mb(need.largestBuffer)} of ${mb(limits.maxBuffer)}`]),
    ...(limits.deviceMemory === null
      ? []
      : [
          `machine ${mb(need.machine)} of ${mb(limits.deviceMemory)}${mayBeMore(limits.deviceMemory) ? ' or more' : ''}`,
        ]),
    ...(limits.storageLeft === null ? [] : [`storage left ${mb(limits.storageLeft)}`]),
  ];
  return [
    `Memory: ${mb(need.peak)} at most (training ${mb(need.trainingPeak)}, sampling ${mb(need.samplingPeak)}); ${allowed.join(', ')}`,
    ...need.parts.map(({ label, bytes, words }) => `  ${label}: ${mb(bytes)}. ${words}`),
    ...[...trades, ...notes, ...problems].map((line) => `  ${line}`),
    fits ? '  It fits.' : '  It does not fit.',
    ...suggestions.map(
      ({ words, changes, need: less }) =>
        `  ${words} ${changes.map(({ key, value }) => `--set ${key}=${value}`).join(' ')}: ${mb(less.peak)}`,
    ),
  ];
}

function indent(text: string): string {
  return text.replace(/^/gm, '  | ');
}

/** First column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   '),
  );
}
