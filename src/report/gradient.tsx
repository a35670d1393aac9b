/** The theorem in practice: what more negatives do to the gradient of a DPO step. */
import { plainInterval, plainText } from '../lab/measures.ts';
import type { Figure, GradientStudy } from '../lab/types.ts';
import { basis } from './marks.tsx';
import { Plot, Series } from './plot.tsx';
import { linear, points } from './scale.ts';
import { prose } from './text.ts';

const HEIGHT = 170;

/** What is known beside the curves: each figure with its interval and what it means. */
export function gradientFacts(data: GradientStudy): { what: string; value: string; help: string }[] {
  const { batch, fromPrompts, slope, direction, balanced } = data;
  if (data.points.length === 0) return [];
  const fact = (what: string, figure: Figure | undefined, help: string) =>
    figure ? [{ what, value: `${plainText(figure)}, n = ${basis(figure)}`, help }] : [];
  return [
    {
      what: 'noise',
      value: batch === undefined ? 'of one step' : `of a step of ${batch} prompts`,
      help: 'Variance of one step’s gradient over the squared length of its mean: at 1 the noise is as large as the signal.',
    },
    ...fact(
      'of it from the prompts',
      fromPrompts,
      'What comes from which prompts are in the batch; more negatives do not lessen it.',
    ),
    ...fact(
      'fall with k',
      slope,
      'Slope of log noise over log k: −1 where all of it comes from the draw of answers, 0 where none does.',
    ),
    ...fact(
      'direction',
      direction,
      'Cosine of the mean gradient, free of noise, with that of balanced pairs: 1 is the same direction.',
    ),
    ...(balanced === undefined
      ? []
      : [
          {
            what: 'balanced pairs',
            value: prose(balanced),
            help: 'As many different positives as negatives.',
          },
        ]),
  ];
}

/** Noise of the gradient estimate against the number of negatives, and its angle to balanced pairs. */
export function Gradient({ data }: { data: GradientStudy }) {
  const rows = (of: (point: GradientStudy['points'][number]) => Figure | undefined) =>
    data.points.flatMap((point) => {
      const figure = of(point);
      return figure && Number.isFinite(figure.value) ? [{ negatives: point.negatives, figure }] : [];
    });
  const cosines = rows(({ cosine }) => cosine);
  return (
    <>
      <p class="lr-lead">{prose(data.verdict)}</p>
      <div class="lr-columns">
        <OverNegatives
          title="Noise of the gradient"
          yTitle="variance over squared length"
          rows={rows(({ noise }) => noise)}
        />
        <OverNegatives
          title="Noise from the draw of answers"
          yTitle="variance over squared length"
          rows={rows(({ draw }) => draw)}
        />
        <OverNegatives title="Angle to balanced pairs" yTitle="cosine" rows={cosines} />
      </div>
      <dl class="lr-words">
        {gradientFacts(data).map(({ what, value, help }) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>
              <b>{value}</b>. {help}
            </dd>
          </div>
        ))}
      </dl>
      {data.points.length > 0 && cosines.length === 0 && (
        <p class="lr-muted">The data has no balanced pairs, so there is no angle to compare.</p>
      )}
    </>
  );
}

interface OverNegativesProps {
  readonly title: string;
  readonly yTitle: string;
  readonly rows: readonly { readonly negatives: number; readonly figure: Figure }[];
}

function OverNegatives({ title, yTitle, rows }: OverNegativesProps) {
  if (rows.length === 0) return null;
  const x = points(rows.map(({ negatives }) => negatives));
  const y = linear([0, ...rows.flatMap(({ figure: each }) => [each.low, each.high])]);
  const words = rows.map(
    ({ negatives, figure: each }) => `k = ${negatives}: ${plainText(each)}, n = ${basis(each)}`,
  );
  return (
    <figure class="lr-figure">
      <figcaption>
        <h3>{title}</h3>
      </figcaption>
      <Plot
        label={`${title} against the number of negatives. ${words.join('; ')}.`}
        x={x}
        y={y}
        xTitle="negatives a prompt (k)"
        yTitle={yTitle}
        height={HEIGHT}
      >
        <Series
          height={HEIGHT}
          points={rows.map(({ negatives, figure: each }, i) => ({
            x: x.at(negatives),
            y: y.at(each.value),
            low: y.at(each.low),
            high: y.at(each.high),
            title: words[i] ?? '',
            text: plainInterval(each).value,
          }))}
        />
      </Plot>
    </figure>
  );
}
