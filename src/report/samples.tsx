import { count, plural } from '../lab/format.ts';
import { measured } from '../lab/measures.ts';
import type { LabReport, SampleRow } from '../lab/types.ts';
import { armName, CorrectMark } from './marks.tsx';
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

type Answer = SampleRow['answers'][number];

/** Answers of more arms stand below each other. */
const MOST_COLUMNS = 4;

/** Arms that gave the same answer, and the answer. */
export interface Answered extends Omit<Answer, 'arm'> {
  readonly arms: readonly string[];
}

/** Different answers to one prompt that are shown; the others are in the files beside the page. */
const MOST_ANSWERS = 8;

/** The arms' answers, those that are the same told once; and how many arms are left out. */
export function answersOf({ answers }: SampleRow): { shown: Answered[]; left: number } {
  const groups = new Map<string, Answered>();
  for (const { arm, ...answer } of answers) {
    const known = groups.get(answer.text);
    groups.set(answer.text, known ? { ...known, arms: [...known.arms, arm] } : { ...answer, arms: [arm] });
  }
  const all = [...groups.values()];
  const left = all.slice(MOST_ANSWERS).reduce((sum, { arms }) => sum + arms.length, 0);
  return { shown: all.slice(0, MOST_ANSWERS), left };
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
  const { shown, left } = answersOf(row);
  return (
    <article class={row.answers.length > MOST_COLUMNS ? 'lr-sample lr-rows' : 'lr-sample'}>
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
        {shown.map((answer) => (
          <div key={answer.text}>
            <dt>
              <bdi>{answer.arms.map((arm) => armName(report, arm)).join(' · ')}</bdi>
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
      {left > 0 && <p class="lr-muted">{plural(left, 'other arm')} in samples.csv.</p>}
    </article>
  );
}
