/** Why it did or did not work: false negatives, and whether negatives vary more than positives. */
import { count, percent } from '../lab/format.ts';
import { plainInterval, plainText, withInterval } from '../lab/measures.ts';
import type {
  Diversity as DiversityData,
  FalseNegatives as FalseNegativesData,
  Figure,
} from '../lab/types.ts';
import { Histogram } from './histogram.tsx';
import { VerdictMark } from './marks.tsx';
import { Plot, Series } from './plot.tsx';
import { linear, points } from './scale.ts';
import { prose, visible } from './text.ts';

const HEIGHT = 170;

const JUDGES: Readonly<Record<FalseNegativesData['judge'], string>> = {
  grader: 'the data set’s grader',
  reward: 'the reward model, which scores them as high as the target',
  marks: 'marks made by hand',
};

/** How many of the answers kept as negatives are as good as the target, and whether similarity tells them apart. */
export function FalseNegatives({ data }: { data: FalseNegativesData }) {
  const rows = [...data.byPercent].sort((a, b) => a.percent - b.percent);
  return (
    <>
      <p class="lr-lead">{prose(data.verdict)}</p>
      <p class="lr-muted">
        {count(data.responses)} answers sampled to the training prompts, judged by {JUDGES[data.judge]}.{' '}
        {data.auc === null
          ? 'All answers are alike to the judge, so there is nothing to separate.'
          : `Area under the ROC curve ${plainText(data.auc)}, n = ${count(data.auc.n)}; 0.5 is chance, 1 separates all.`}
      </p>
      <div class="lr-columns">
        {rows.length > 0 && <ByPercent rows={rows} />}
        <Histogram data={data.histogram} />
      </div>
    </>
  );
}

function ByPercent({ rows }: { rows: FalseNegativesData['byPercent'] }) {
  const x = points(rows.map((row) => row.percent));
  const y = linear([0, ...rows.map(({ share }) => share.high * 100)]);
  const place = (value: number) => y.at(value * 100);
  const words = rows.map(
    ({ percent: at, share, kept }) =>
      `a = ${at} %: ${withInterval('accuracy', share)} of ${count(kept)} kept`,
  );
  return (
    <figure class="lr-figure">
      <figcaption>
        <h3>False negatives against the share kept</h3>
      </figcaption>
      <Plot
        label={`Share of the kept negatives that are as good as the target. ${words.join('; ')}.`}
        x={x}
        y={y}
        xTitle="share of answers kept, least similar first (a%)"
        yTitle="as good as the target (%)"
        height={HEIGHT}
      >
        <Series
          height={HEIGHT}
          points={rows.map(({ percent: at, share }, i) => ({
            x: x.at(at),
            y: place(share.value),
            low: place(share.low),
            high: place(share.high),
            title: words[i] ?? '',
            text: percent(share.value).replace(/ %$/, ''),
          }))}
        />
      </Plot>
    </figure>
  );
}

/** Assumption 1: whether negatives vary more than positives. */
export function Diversity({ data }: { data: DiversityData }) {
  return (
    <>
      <p class="lr-lead">
        <VerdictMark verdict={data.holds} /> {prose(data.verdict)}
      </p>
      <div class="lr-scroll">
        <table class="lr-table">
          <thead>
            <tr>
              <th scope="col">Spread of</th>
              <th scope="col">positives</th>
              <th scope="col">negatives</th>
              <th scope="col">negatives less positives</th>
              <th scope="col">n</th>
            </tr>
          </thead>
          <tbody>
            {data.rows.map((row) => (
              <tr key={row.what}>
                <th scope="row" title={visible(row.help)}>
                  {visible(row.what)}
                </th>
                <td>
                  <Spread figure={row.positives} />
                </td>
                <td>
                  <Spread figure={row.negatives} />
                </td>
                <td>
                  <Spread figure={row.difference} sign />
                </td>
                <td class="lr-muted">{count(row.difference.n)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="lr-words">
        {data.rows.map((row) => (
          <div key={row.what}>
            <dt>{visible(row.what)}</dt>
            <dd>{visible(row.help)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Spread({ figure: data, sign = false }: { figure: Figure; sign?: boolean }) {
  const { value, low, high } = plainInterval(data);
  const plus = (text: string, of: number) => (sign && of > 0 ? `+${text}` : text);
  return (
    <>
      <b>{plus(value, data.value)}</b>
      <span class="lr-interval">
        {plus(low, data.low)} to {plus(high, data.high)}
      </span>
    </>
  );
}
