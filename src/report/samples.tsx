import { count } from '../lab/format.ts';
import { measured } from '../lab/measures.ts';
import type { LabReport, SampleRow } from '../lab/types.ts';
import { ArmName, CorrectMark } from './marks.tsx';
import { shortened } from './text.ts';

/** Text as it was written: its line ends, its own direction, nothing of it obeyed. */
export function Quoted({ text }: { text: string }) {
  const short = shortened(text);
  if (text.trim() === '') return <span class="lr-muted">(empty)</span>;
  return (
    <>
      <span class="lr-quoted" dir="auto">
        {short.text}
      </span>
      {short.more > 0 && <span class="lr-muted"> … {count(short.more)} more characters</span>}
    </>
  );
}

/** Answers of the arms to the same held-out prompts, beside each other. */
export function Samples({ report }: { report: Pick<LabReport, 'samples' | 'arms'> }) {
  if (report.samples.length === 0) return null;
  return (
    <div class="lr-samples">
      {report.samples.map((row, i) => (
        <Sample key={`${i} ${row.prompt}`} report={report} row={row} />
      ))}
    </div>
  );
}

function Sample({ report, row }: { report: Pick<LabReport, 'arms'>; row: SampleRow }) {
  return (
    <article class="lr-sample">
      <p class="lr-prompt">
        <Quoted text={row.prompt} />
      </p>
      <dl>
        {row.target !== undefined && (
          <div class="lr-target">
            <dt>target</dt>
            <dd>
              <Quoted text={row.target} />
            </dd>
          </div>
        )}
        {row.answers.map((answer, i) => (
          <div key={`${answer.arm} ${i}`}>
            <dt>
              <ArmName report={report} id={answer.arm} />
            </dt>
            <dd>
              <Quoted text={answer.text} />
              <span class="lr-scores">
                {answer.correct !== undefined && <CorrectMark correct={answer.correct} />}
                {answer.similarity !== undefined && (
                  <span class="lr-muted">similarity {measured('similarity', answer.similarity)}</span>
                )}
              </span>
            </dd>
          </div>
        ))}
      </dl>
    </article>
  );
}
