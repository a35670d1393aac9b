/** The arms in tables: the main measure with its paired gain, everything else that was measured, and what it cost. */
import { count, duration } from '../lab/format.ts';
import { differences, differenceUnit, interval, MEASURE_INFO, measured } from '../lab/measures.ts';
import { type ArmRow, type Figure, type LabReport, MEASURES, type Measure } from '../lab/types.ts';
import { ApartMark, ArmName, basis, StateNote } from './marks.tsx';
import { prose } from './text.ts';

type Report = Pick<LabReport, 'arms' | 'reference' | 'mainMeasure'>;

/** The measures that at least one arm has a figure for, in their usual order. */
export function measuresOf({ arms }: Pick<LabReport, 'arms'>): Measure[] {
  return MEASURES.filter((measure) => arms.some(({ figures }) => figures[measure] !== undefined));
}

/** A value over its interval, the unit said once. */
function Value({ measure, figure }: { measure: Measure; figure: Figure | undefined }) {
  if (figure === undefined) return <span class="lr-muted">–</span>;
  const { value, low, high } = interval(measure, figure);
  return (
    <>
      <b>{value}</b>
      <span class="lr-interval">
        {low} to {high}
      </span>
    </>
  );
}

/** Every arm by the main measure: its value, its gain over the reference, share of answers that are better. */
export function ArmsTable({ report }: { report: Report }) {
  const { mainMeasure: main, reference } = report;
  const info = MEASURE_INFO[main];
  const wins = report.arms.some(({ winRate }) => winRate !== undefined);
  return (
    <div class="lr-scroll">
      <table class="lr-table lr-arms">
        <thead>
          <tr>
            <th scope="col">Arm</th>
            <th scope="col" title={info.help}>
              {info.name}
            </th>
            <th scope="col">
              gain over <ArmName report={report} id={reference} />
            </th>
            {wins && (
              <th
                scope="col"
                title="Share of answers better than the reference’s to the same prompt, ties half"
              >
                wins
              </th>
            )}
            <th scope="col">n</th>
          </tr>
        </thead>
        <tbody>
          {report.arms.map((arm) => (
            <MainRow key={arm.id} report={report} arm={arm} wins={wins} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function MainRow({ report, arm, wins }: { report: Report; arm: ArmRow; wins: boolean }) {
  const main = report.mainMeasure;
  const figure = arm.figures[main];
  const gain = arm.gain[main];
  return (
    <tr>
      <th scope="row">
        <ArmName report={report} id={arm.id} />
        {(arm.state !== 'done' || arm.error !== undefined) && (
          <span class="lr-interval">
            <StateNote arm={arm} />
          </span>
        )}
      </th>
      <td data-label={MEASURE_INFO[main].name}>
        <Value measure={main} figure={figure} />
      </td>
      <td data-label="gain">
        {arm.id === report.reference ? (
          <span class="lr-muted">reference</span>
        ) : (
          <Gain measure={main} gain={gain} />
        )}
      </td>
      {wins && (
        <td data-label="wins">
          <Value measure="winRateTarget" figure={arm.winRate} />
        </td>
      )}
      <td class="lr-muted" data-label="n">
        {figure ? basis(figure) : '–'}
      </td>
    </tr>
  );
}

function Gain({ measure, gain }: { measure: Measure; gain: Figure | undefined }) {
  if (gain === undefined) return <span class="lr-muted">–</span>;
  const { value, low, high } = differences(measure, gain);
  return (
    <>
      <b>{value}</b>
      {differenceUnit(measure)} <ApartMark measure={measure} gain={gain} />
      <span class="lr-interval">
        {low} to {high}
      </span>
    </>
  );
}

/** Every arm by every measure, with intervals. */
export function MeasuresTable({ report }: { report: Report }) {
  const measures = measuresOf(report);
  const done = report.arms.filter(({ figures }) => Object.keys(figures).length > 0);
  if (measures.length === 0) return null;
  return (
    <>
      <div class="lr-scroll">
        <table class="lr-table">
          <thead>
            <tr>
              <th scope="col">Arm</th>
              {measures.map((measure) => (
                <th key={measure} scope="col" title={MEASURE_INFO[measure].help}>
                  {MEASURE_INFO[measure].name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {done.map((arm) => (
              <tr key={arm.id}>
                <th scope="row">
                  <ArmName report={report} id={arm.id} />
                </th>
                {measures.map((measure) => (
                  <td key={measure}>
                    <Value measure={measure} figure={arm.figures[measure]} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <dl class="lr-words">
        {measures.map((measure) => (
          <div key={measure}>
            <dt>{MEASURE_INFO[measure].name}</dt>
            <dd>
              {MEASURE_INFO[measure].help} {samples(done, measure)}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** 'n = 150 × 3 seeds.', or the range where arms differ. */
function samples(arms: readonly ArmRow[], measure: Measure): string {
  const all = arms.flatMap(({ figures }) => figures[measure] ?? []);
  const kinds = [...new Set(all.map(basis))];
  return kinds.length === 0 ? '' : `n = ${kinds.join(', ')}.`;
}

/** The main measure by seed: whether a result rests on one lucky start. */
export function SeedsTable({ report }: { report: Report & Pick<LabReport, 'seeds'> }) {
  const main = report.mainMeasure;
  const rows = report.arms.filter(({ perSeed }) => perSeed[main] !== undefined);
  if (report.seeds.length < 2 || rows.length === 0) return null;
  return (
    <div class="lr-scroll">
      <table class="lr-table">
        <thead>
          <tr>
            <th scope="col">{MEASURE_INFO[main].name}</th>
            {report.seeds.map((seed) => (
              <th key={seed} scope="col">
                seed {seed}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((arm) => (
            <tr key={arm.id}>
              <th scope="row">
                <ArmName report={report} id={arm.id} />
              </th>
              {report.seeds.map((seed, i) => {
                const value = arm.perSeed[main]?.[i] ?? null;
                return <td key={seed}>{value === null ? '–' : measured(main, value)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What each arm is, and what it took. */
export function CostTable({ report }: { report: Pick<LabReport, 'arms' | 'armSettings'> }) {
  const what = new Map(report.armSettings.map(({ arm, text }) => [arm, text]));
  return (
    <div class="lr-scroll">
      <table class="lr-table">
        <thead>
          <tr>
            <th scope="col">Arm</th>
            <th scope="col">steps</th>
            <th scope="col">pairs</th>
            <th scope="col">trained tokens</th>
            <th scope="col">time</th>
          </tr>
        </thead>
        <tbody>
          {report.arms.map((arm) => (
            <tr key={arm.id}>
              <th scope="row">
                <ArmName report={report} id={arm.id} />
                <span class="lr-interval">{prose(what.get(arm.id) ?? '')}</span>
              </th>
              <td>{count(arm.steps)}</td>
              <td>{count(arm.pairs)}</td>
              <td>{count(arm.trainedTokens)}</td>
              <td>{arm.seconds === 0 ? '–' : duration(arm.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
