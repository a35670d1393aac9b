/** A whole report as a component: the parts in their order. */
import type { ComponentChildren } from 'preact';
import { MEASURE_INFO } from '../lab/measures.ts';
import type { LabReport } from '../lab/types.ts';
import { Configuration, Origin, Timings } from './about.tsx';
import { ArmsTable, CostTable, MeasuresTable, measuresOf, SeedsTable } from './arms.tsx';
import { CurveChart } from './curve.tsx';
import { Diversity, FalseNegatives } from './diagnosis.tsx';
import { Duels } from './duels.tsx';
import { Asked, Findings } from './findings.tsx';
import { GainPlot } from './forest.tsx';
import { Gradient } from './gradient.tsx';
import { Histogram } from './histogram.tsx';
import { Samples } from './samples.tsx';
import { Signs } from './signs.tsx';
import { moment, prose, visible } from './text.ts';
import { answerOf, basisOf, methodOf, notesOf } from './words.ts';

interface SectionProps {
  readonly title: string;
  /** Left out with all its content where there is nothing to show. */
  readonly when?: boolean;
  readonly children: ComponentChildren;
}

function Section({ title, when = true, children }: SectionProps) {
  if (!when) return null;
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** The report without the document around it. */
export function Report({ report }: { report: LabReport }) {
  const { diagnosis } = report;
  return (
    <article class="lr-report">
      <header>
        <h1>{visible(report.title)}</h1>
        <p class="lr-muted">
          {moment(report.created)} · {basisOf(report)}
        </p>
        <p class="lr-answer">{prose(answerOf(report))}</p>
        <Findings findings={report.findings} plans={report.plans} />
        {notesOf(report).map((note) => (
          <p key={note} class="lr-note">
            {prose(note)}
          </p>
        ))}
      </header>
      <Section title="What was asked" when={report.plans.length > 0}>
        <Asked report={report} />
      </Section>
      <Section title="The arms" when={report.arms.length > 0}>
        <ArmsTable report={report} />
        <p class="lr-muted">
          Small figures are 95 % intervals. A gain is paired by prompt and seed; it is unclear where its
          interval holds zero.
        </p>
      </Section>
      <Gains report={report} />
      <Section title="Curves" when={report.curves.length > 0 || report.histograms.length > 0}>
        <div class="lr-columns">
          {report.curves.map((curve, i) => (
            <CurveChart key={`${i} ${curve.plan} ${curve.measure}`} curve={curve} />
          ))}
          {report.histograms.map((data, i) => (
            <Histogram key={`${i} ${data.title}`} data={data} />
          ))}
        </div>
        <p class="lr-muted">
          Bars and band are each arm’s own 95 % interval. Arms answer the same prompts, so they differ more
          surely than overlapping bars suggest: the gains above are the comparison.
        </p>
      </Section>
      <Section title="Judged side by side" when={report.duels.length > 0}>
        <Duels report={report} />
      </Section>
      <Section title="Answers beside each other" when={report.samples.length > 0}>
        <Samples report={report} />
      </Section>
      <Section title="Why: false negatives" when={diagnosis.falseNegatives !== undefined}>
        {diagnosis.falseNegatives && <FalseNegatives data={diagnosis.falseNegatives} />}
      </Section>
      <Section title="Why: do negatives vary more than positives?" when={diagnosis.diversity !== undefined}>
        {diagnosis.diversity && <Diversity data={diagnosis.diversity} />}
      </Section>
      <Section title="Why: the gradient" when={diagnosis.gradient !== undefined}>
        {diagnosis.gradient && <Gradient data={diagnosis.gradient} />}
      </Section>
      <Section title="Signs of failure" when={report.signs.length > 0}>
        <Signs report={report} />
      </Section>
      <Section title="All measures" when={measuresOf(report).length > 0}>
        <MeasuresTable report={report} />
        {report.seeds.length > 1 && <h3>By seed</h3>}
        <SeedsTable report={report} />
      </Section>
      <Section title="How it was computed">
        {methodOf(report).map((text) => (
          <p key={text} class="lr-method">
            {prose(text)}
          </p>
        ))}
        <h3>What each arm is, and what it took</h3>
        <CostTable report={report} />
        <div class="lr-columns">
          <div>
            <h3>Made of</h3>
            <Origin report={report} />
            <h3>Time</h3>
            <Timings report={report} />
          </div>
          <div>
            <h3>Settings that all arms share</h3>
            <Configuration config={report.config} />
          </div>
        </div>
      </Section>
    </article>
  );
}

/** Forest plots: a plan at a time by the main measure, then all arms by the other measures that can be better. */
function Gains({ report }: { report: LabReport }) {
  const main = report.mainMeasure;
  const gained = report.arms.some(({ gain }) => gain[main] !== undefined);
  if (!gained) return null;
  const others = measuresOf(report).filter(
    (measure) => measure !== main && MEASURE_INFO[measure].higherIsBetter !== null,
  );
  const named = new Set(report.plans.flatMap(({ arms }) => arms));
  const loose = report.arms.filter(({ id }) => !named.has(id)).map(({ id }) => id);
  return (
    <Section title="Gains">
      {report.plans.map((plan) => (
        <GainPlot key={plan.id} report={report} measure={main} title={prose(plan.title)} arms={plan.arms} />
      ))}
      {loose.length > 0 && (
        <GainPlot
          report={report}
          measure={main}
          title={report.plans.length > 0 ? 'Others' : 'All arms'}
          arms={loose}
        />
      )}
      {others.map((measure) => (
        <GainPlot
          key={measure}
          report={report}
          measure={measure}
          title={`By ${MEASURE_INFO[measure].label}`}
        />
      ))}
    </Section>
  );
}
