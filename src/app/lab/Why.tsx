import { Diversity, FalseNegatives, Gradient, Signs } from '../../report/index.ts';
import { Marks } from './Marks.tsx';
import { ReadingReport } from './ReadingReport.tsx';
import { lab } from './signals.ts';

/** Why it did or did not work: false negatives, diversity, the gradient, signs of failure. */
export function Why() {
  const { report } = lab.value;
  if (report === null) return <ReadingReport />;
  const { falseNegatives, diversity, gradient } = report.diagnosis;
  const nothing = falseNegatives === undefined && diversity === undefined && gradient === undefined;
  return (
    <div class="lr-report stack lab-results">
      {report.signs.length > 0 && (
        <section class="card" aria-label="Signs of failure">
          <h3>Signs of failure</h3>
          <Signs report={report} />
        </section>
      )}
      {nothing && <p class="empty">The diagnosis is here when the first seed’s answers are sampled.</p>}
      {falseNegatives !== undefined && (
        <section class="card" aria-label="False negatives">
          <h3>Are answers unlike the target worse?</h3>
          <FalseNegatives data={falseNegatives} />
        </section>
      )}
      {!nothing && <Marks />}
      {diversity !== undefined && (
        <section class="card" aria-label="Diversity">
          <h3>Do negatives vary more than positives?</h3>
          <Diversity data={diversity} />
        </section>
      )}
      {gradient !== undefined && (
        <section class="card" aria-label="The gradient">
          <h3>Do more negatives steady the gradient?</h3>
          <Gradient data={gradient} />
        </section>
      )}
    </div>
  );
}
