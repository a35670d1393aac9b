import type { LabReport } from '../../lab/types.ts';
import {
  ArmsTable,
  answerOf,
  CurveChart,
  Duels,
  Findings,
  GainPlot,
  Histogram,
  Samples,
} from '../../report/index.ts';
import { ReadingReport } from './ReadingReport.tsx';
import { atWork, lab } from './signals.ts';
import { armsEnded } from './state.ts';

/** What came of it: claim by claim, the arms with their intervals, curves, answers. It fills as arms end. */
export function Results() {
  const { report } = lab.value;
  if (report === null) return <ReadingReport />;
  const ended = armsEnded(report.arms);
  if (ended === 0) return <p class="empty">The first results are here when an arm has ended.</p>;
  return (
    <div class="lr-report stack lab-results">
      {(atWork.value || ended < report.arms.length) && (
        <p class="small muted" aria-live="polite">
          {ended} of {report.arms.length} arms have ended; what is here is of those.
        </p>
      )}
      <section class="card" aria-label="Findings">
        <h3>Claim by claim</h3>
        <p class="lr-answer">{answerOf(report)}</p>
        <Findings findings={report.findings} />
      </section>
      <section class="card" aria-label="The arms">
        <header>
          <h3>The arms</h3>
          <span class="small muted">gains are paired by prompt and seed</span>
        </header>
        <div class="scroll-x">
          <ArmsTable report={report} />
        </div>
      </section>
      <Pictures report={report} />
      {report.duels.length > 0 && (
        <section class="card" aria-label="Judged side by side">
          <h3>Judged side by side</h3>
          <Duels report={report} />
        </section>
      )}
      {report.samples.length > 0 && (
        <section class="card" aria-label="Answers beside each other">
          <h3>Answers beside each other</h3>
          <Samples report={report} />
        </section>
      )}
    </div>
  );
}

function Pictures({ report }: { report: LabReport }) {
  const { mainMeasure, plans, curves, histograms } = report;
  return (
    <>
      {plans.map((plan) => (
        <section key={plan.id} class="card" aria-label={`Gains: ${plan.title}`}>
          <GainPlot report={report} measure={mainMeasure} title={plan.title} arms={plan.arms} />
          <div class="lr-columns">
            {curves
              .filter((curve) => curve.plan === plan.id)
              .map((curve, i) => (
                <CurveChart key={i} curve={curve} />
              ))}
          </div>
        </section>
      ))}
      {histograms.length > 0 && (
        <section class="card" aria-label="Scores">
          <div class="lr-columns">
            {histograms.map((data, i) => (
              <Histogram key={i} data={data} />
            ))}
          </div>
        </section>
      )}
    </>
  );
}
