/** Small signs that say by shape and word what colour alone would not. */
import type { ComponentChildren } from 'preact';
import { MEASURE_INFO } from '../lab/measures.ts';
import type { ArmRow, Figure, Finding, LabReport, Measure, Sign } from '../lab/types.ts';
import { prose, visible } from './text.ts';

type Tone = 'good' | 'bad' | 'unsure' | 'none';

/** Tick in a disc, cross in a square, question mark in a diamond, empty ring. */
function Shape({ tone }: { tone: Tone }) {
  return (
    <svg class={`lr-mark lr-${tone}`} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
      {tone === 'good' && (
        <>
          <circle cx="8" cy="8" r="7" class="lr-fill" />
          <path d="M4.8 8.3l2.2 2.2 4.2-4.8" class="lr-cut" />
        </>
      )}
      {tone === 'bad' && (
        <>
          <rect x="1.5" y="1.5" width="13" height="13" class="lr-fill" />
          <path d="M5 5l6 6M11 5l-6 6" class="lr-cut" />
        </>
      )}
      {tone === 'unsure' && (
        <>
          <path d="M8 .5L15.5 8 8 15.5.5 8z" class="lr-ring" />
          <path d="M6.3 6.4c0-2.3 3.5-2.2 3.4 0 0 1.2-1.7 1.3-1.7 2.6M8 11v.4" class="lr-line" />
        </>
      )}
      {tone === 'none' && <circle cx="8" cy="8" r="6.2" class="lr-ring" />}
    </svg>
  );
}

function Mark({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`lr-verdict lr-${tone}`}>
      <Shape tone={tone} />
      <span>{children}</span>
    </span>
  );
}

const FINDING_TONE = { holds: 'good', fails: 'bad', unclear: 'unsure' } as const;

/** 'holds', 'fails' or 'unclear'. */
export function VerdictMark({ verdict }: { verdict: Finding['verdict'] }) {
  return <Mark tone={FINDING_TONE[verdict]}>{verdict}</Mark>;
}

const SIGN_MARK = {
  seen: ['bad', 'seen'],
  'not-seen': ['good', 'not seen'],
  unknown: ['none', 'not known'],
} as const;

export function SignMark({ state }: { state: Sign['state'] }) {
  const [tone, word] = SIGN_MARK[state];
  return <Mark tone={tone}>{word}</Mark>;
}

export type Apart = 'better' | 'worse' | 'higher' | 'lower' | 'unclear';

/** Whether a difference's interval leaves zero out, and which way. */
export function apart(measure: Measure, { low, high }: Figure): Apart {
  if (!(low > 0 || high < 0)) return 'unclear';
  const up = low > 0;
  const better = MEASURE_INFO[measure].higherIsBetter;
  if (better === null) return up ? 'higher' : 'lower';
  return up === better ? 'better' : 'worse';
}

const APART_MARK = {
  better: ['good', 'better'],
  worse: ['bad', 'worse'],
  higher: ['none', 'higher'],
  lower: ['none', 'lower'],
  unclear: ['unsure', 'unclear'],
} as const;

export function ApartMark({ measure, gain }: { measure: Measure; gain: Figure }) {
  const [tone, word] = APART_MARK[apart(measure, gain)];
  return <Mark tone={tone}>{word}</Mark>;
}

/** An answer that the grader found right or wrong. */
export function CorrectMark({ correct }: { correct: boolean }) {
  return <Mark tone={correct ? 'good' : 'bad'}>{correct ? 'correct' : 'wrong'}</Mark>;
}

const STATE_WORDS: Readonly<Record<ArmRow['state'], string>> = {
  waiting: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
};

/** How far an arm is, and why it or some of its seeds have no figures. */
export function StateNote({ arm }: { arm: ArmRow }) {
  const { state, error } = arm;
  if (error === undefined)
    return state === 'done' ? null : <span class="lr-muted">{STATE_WORDS[state]}</span>;
  return (
    <Mark tone="bad">
      {state === 'failed'
        ? 'failed: '
        : state === 'done'
          ? 'failed in part: '
          : `${STATE_WORDS[state]}; failed in part: `}
      {visible(error)}
    </Mark>
  );
}

/** An arm's name, apart from the direction of the text around it. */
export function ArmName({ report, id }: { report: Pick<LabReport, 'arms'>; id: string }) {
  return <bdi>{armName(report, id)}</bdi>;
}

export function armName(report: Pick<LabReport, 'arms'>, id: string): string {
  return prose(report.arms.find((arm) => arm.id === id)?.name ?? id);
}

/** '150 × 3 seeds': what a figure rests on. */
export function basis({ n, seeds }: Pick<Figure, 'n' | 'seeds'>): string {
  return seeds > 1 ? `${n} × ${seeds} seeds` : `${n}`;
}
