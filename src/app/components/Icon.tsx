import type { StageState } from '../../pipeline/types.ts';

const PATHS = {
  check: 'M3 8.5l3.2 3.2L13 4.8',
  cross: 'M4 4l8 8M12 4l-8 8',
  down: 'M4 6l4 4 4-4',
  play: 'M5 3.2v9.6L12.5 8z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  stop: 'M4 4h8v8H4z',
  plus: 'M8 3v10M3 8h10',
  pen: 'M3 13l.6-2.8L10.8 3l2.2 2.2-7.2 7.2zM9.3 4.5l2.2 2.2',
  trash: 'M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
  sun: 'M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M3.4 12.6l1.1-1.1M11.5 4.5l1.1-1.1',
  moon: 'M13 9.6A5.6 5.6 0 016.4 3 5.6 5.6 0 1013 9.6z',
  screen: 'M2 3h12v8H2zM5.5 13.5h5',
  lock: 'M4 7.5h8V13H4zM5.5 7.5V5.3a2.5 2.5 0 015 0v2.2',
  warning: 'M8 2.2L14.5 13.5h-13zM8 6.5v3.4M8 11.6v.4',
  download: 'M8 2.5v7.5M4.8 7l3.2 3.2L11.2 7M3 13.2h10',
  target: 'M8 2a6 6 0 100 12A6 6 0 008 2zM8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6z',
  minus: 'M3.5 8h9',
  flask: 'M5.8 2.5h4.4M6.7 2.5v4L3 12.2a1 1 0 00.9 1.3h8.2a1 1 0 00.9-1.3L9.3 6.5v-4M5 9.5h6',
} as const;

export type IconName = keyof typeof PATHS;

/** A line drawing beside a text; never the only carrier of a meaning. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

const STATE_WORDS: Readonly<Record<StageState, string>> = {
  waiting: 'not run yet',
  running: 'running',
  done: 'done',
  failed: 'failed',
};

interface StateMarkProps {
  readonly state: StageState;
  /** To be redone. */
  readonly stale?: boolean;
  /** Waiting with something of it stored. */
  readonly begun?: boolean;
}

/** A stage's state by shape (empty, half, full, cross) and in words for screen readers. */
export function StateMark({ state, stale = false, begun = false }: StateMarkProps) {
  const half = state === 'running' || (state === 'waiting' && begun);
  const color = state === 'failed' ? 'var(--bad)' : stale ? 'var(--warn)' : 'var(--accent)';
  const words = stale ? 'to be redone' : half && state === 'waiting' ? 'partly done' : STATE_WORDS[state];
  return (
    <svg class="icon" viewBox="0 0 16 16" role="img" aria-label={words}>
      <g class={state === 'running' ? 'spin' : ''} style={{ transformOrigin: '8px 8px' }}>
        <circle
          cx="8"
          cy="8"
          r="5.25"
          fill={state === 'done' && !stale ? color : 'none'}
          stroke={state === 'waiting' && !half ? 'var(--line-strong)' : color}
          stroke-width="1.5"
          stroke-dasharray={stale ? '2.5 2' : undefined}
        />
        {half && <path d="M8 2.75a5.25 5.25 0 010 10.5z" fill={color} />}
      </g>
      {state === 'done' && !stale && (
        <path d="M5.4 8.2l1.8 1.8 3.4-3.7" fill="none" stroke="var(--panel)" stroke-width="1.5" />
      )}
      {state === 'failed' && <path d="M6 6l4 4M10 6l-4 4" stroke={color} stroke-width="1.5" />}
    </svg>
  );
}
