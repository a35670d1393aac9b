/** The result in words. Pure. */
import type { Arm, Report } from '../pipeline/types.ts';
import { percent, signed } from './format.ts';

export const ARMS: readonly Arm[] = ['base', 'sft', 'selfContrast'];

export const ARM_NAME: Readonly<Record<Arm, string>> = {
  base: 'Base',
  sft: 'SFT',
  selfContrast: 'Self-Contrast',
};

/** Two or three plain sentences, with the doubt that the sample size leaves. */
export function judgement(report: Report): string {
  const { heldOut, winRateVsSft, judge } = report.evaluation;
  const sft = heldOut.sft;
  const ours = heldOut.selfContrast;
  const parts: string[] = [];
  if (sft?.accuracy !== undefined && ours?.accuracy !== undefined) {
    const change = (ours.accuracy - sft.accuracy) * 100;
    parts.push(
      `Self-Contrast answers ${percent(ours.accuracy)} of the held-out prompts right, SFT ${percent(sft.accuracy)}: ${signed(change)} points.`,
    );
  }
  if (winRateVsSft !== null) {
    const how = judge === 'grader' ? 'by the grader' : 'by similarity to the target';
    parts.push(`It wins ${percent(winRateVsSft)} of the comparisons with SFT ${how}, ties counted half.`);
  }
  return parts.length === 0
    ? 'The adapter is ready. No prompts were held out, so its effect was not measured.'
    : parts.join(' ');
}
