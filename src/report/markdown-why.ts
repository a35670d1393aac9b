/** Diagnosis and failure signs of a report in Markdown. Pure. */
import { count } from '../lab/format.ts';
import { plainText, withInterval } from '../lab/measures.ts';
import type { GradientStudy, LabReport } from '../lab/types.ts';
import { gradientFacts } from './gradient.tsx';
import { lines, MARK, md, mdTable } from './markdown-text.ts';
import { basis } from './marks.tsx';
import { evidenceOf, sentence, signGroups } from './signs.tsx';

export function diagnosisMarkdown({ diagnosis: { falseNegatives, diversity, gradient } }: LabReport): string {
  return lines(
    ...(falseNegatives
      ? [
          '## Why: false negatives',
          md(falseNegatives.verdict),
          falseNegatives.auc
            ? `Area under the ROC curve: ${plainText(falseNegatives.auc)}, n = ${count(falseNegatives.auc.n)}.`
            : '',
          mdTable(
            ['a%', 'as good as the target', 'kept'],
            falseNegatives.byPercent.map(({ percent, share, kept }) => [
              String(percent),
              withInterval('accuracy', share),
              count(kept),
            ]),
          ),
        ]
      : []),
    ...(diversity
      ? [
          '## Why: do negatives vary more than positives?',
          `${MARK[diversity.holds]} **${diversity.holds}**: ${md(diversity.verdict)}`,
          mdTable(
            ['Spread of', 'positives', 'negatives', 'negatives less positives', 'n'],
            diversity.rows.map((row) => [
              md(row.what),
              plainText(row.positives),
              plainText(row.negatives),
              plainText(row.difference),
              count(row.difference.n),
            ]),
          ),
        ]
      : []),
    ...(gradient
      ? [
          '## Why: the gradient',
          md(gradient.verdict),
          gradient.points.length === 0 ? '' : gradientTable(gradient.points),
          gradientFacts(gradient)
            .map(({ what, value, help }) => `- ${what}: ${value}. ${md(help)}`)
            .join('\n'),
        ]
      : []),
  );
}

const SIGN_WORDS = { seen: '✘ seen', 'not-seen': '✔ not seen', unknown: 'not known' } as const;

export function signsMarkdown(report: LabReport): string {
  if (report.signs.length === 0) return '';
  const items = signGroups(report).map((group) => {
    const parts = [...evidenceOf(group), `Threshold: ${sentence(group.threshold)}`, ...group.suggestions];
    return `- **${SIGN_WORDS[group.state]}**: **${md(group.title)}** ${parts.map(md).join(' ')}`;
  });
  return lines('## Signs of failure', items.join('\n'));
}

function gradientTable(points: GradientStudy['points']): string {
  return mdTable(
    ['k', 'noise', 'of it from the draw of answers', 'cosine to balanced pairs', 'n'],
    points.map(({ negatives, noise, draw, cosine }) => [
      String(negatives),
      plainText(noise),
      draw ? plainText(draw) : '–',
      cosine ? plainText(cosine) : '–',
      basis(noise),
    ]),
  );
}
