/** What in a finished run's figures deserves a warning, in plain words. */
import { BEYOND_NOISE, chosenFell, lengthChanged, tooFewDistinct } from './thresholds.ts';
import type { Report } from './types.ts';

const figure = (stage: Report['stages']['sft'], key: string): number | undefined => {
  const value = stage?.[key];
  return typeof value === 'number' ? value : undefined;
};

export function diagnose(report: Omit<Report, 'warnings'>, n: number): string[] {
  const warnings: string[] = [];
  const { sample, filter, dpo } = report.stages;
  const distinct = figure(sample, 'meanDistinct');
  if (distinct !== undefined && tooFewDistinct(distinct, n)) {
    warnings.push(
      `Only ${distinct.toFixed(1)} of ${n} answers a prompt are distinct: there is little to contrast. A shorter SFT or a higher temperature gives more variety.`,
    );
  }
  const cut = (figure(sample, 'cutOff') ?? 0) / Math.max(1, figure(sample, 'responses') ?? 1);
  if (cut > 0.2) {
    warnings.push(`${Math.round(100 * cut)} % of the sampled answers were cut off: raise sample.maxTokens.`);
  }
  const dropped = figure(filter, 'dropped') ?? 0;
  const prompts = figure(filter, 'prompts') ?? 0;
  if (dropped > 0.1 * (dropped + prompts)) {
    warnings.push(
      `${dropped} of ${dropped + prompts} prompts were dropped: too few distinct answers were left for the negatives asked for.`,
    );
  }
  const before = figure(dpo, 'chosenLogpBefore');
  const after = figure(dpo, 'chosenLogp');
  if (before !== undefined && after !== undefined && chosenFell(before, after)) {
    warnings.push(
      `The log-probability of the targets fell from ${before.toFixed(1)} to ${after.toFixed(1)} during DPO: the adapter moves away from everything, not only from the negatives. Lower dpo.learningRate or set dpo.ftx.`,
    );
  }
  const { sft, selfContrast } = report.evaluation.heldOut;
  if (sft && selfContrast) {
    const { gainOverSft } = report.evaluation;
    if (gainOverSft) {
      const { accuracy, error } = gainOverSft;
      if (accuracy < -BEYOND_NOISE * error) {
        warnings.push(
          'On held-out prompts Self-Contrast is less accurate than SFT. Try a lower dpo.learningRate or fewer steps.',
        );
      } else if (accuracy < BEYOND_NOISE * error) {
        warnings.push(
          'On held-out prompts the difference between Self-Contrast and SFT is within the noise.',
        );
      }
    }
    if (lengthChanged(selfContrast.meanTokens, sft.meanTokens)) {
      warnings.push(
        `Answers changed in length from ${sft.meanTokens.toFixed(1)} to ${selfContrast.meanTokens.toFixed(1)} tokens: a sign of over-alignment.`,
      );
    }
  }
  return warnings;
}
