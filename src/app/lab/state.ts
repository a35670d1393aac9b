/** What the page knows of one lab: a pure reducer over its events and what is stored. No DOM, no signals. */
import { duration } from '../../lab/format.ts';
import type { ArmRow, LabEvent, LabManifest, LabProgress, LabReport, Sign } from '../../lab/types.ts';
import { armStates } from './arm-states.ts';

/** A failure sign as it was seen, and whose it is. */
export type SeenSign = Sign & { readonly arm?: string; readonly seed?: number };

export interface LabView {
  readonly manifest: LabManifest | null;
  /** Of its data; null before that was read. */
  readonly fingerprint: string | null;
  /** Of this sitting; null while nothing works. */
  readonly progress: LabProgress | null;
  /** Seen in this sitting, the newest last; one an arm, seed and kind. */
  readonly signs: readonly SeenSign[];
  /** What is known of the arms; null before it was read. */
  readonly report: LabReport | null;
  /** Pieces that ended after the report was read: it is behind by so many. */
  readonly behind: number;
}

export const EMPTY_LAB: LabView = {
  manifest: null,
  fingerprint: null,
  progress: null,
  signs: [],
  report: null,
  behind: 0,
};

/** Folds events that arrived together. */
export function reduceLab(view: LabView, events: readonly LabEvent[]): LabView {
  return events.reduce(reduce, view);
}

function reduce(view: LabView, event: LabEvent): LabView {
  switch (event.type) {
    case 'progress':
      return { ...view, progress: event.progress };
    case 'piece': {
      const { piece } = event;
      const behind = view.behind + (piece.state === 'running' ? 0 : 1);
      if (view.manifest === null) return { ...view, behind };
      const pieces = { ...view.manifest.pieces, [piece.key]: piece };
      return { ...view, behind, manifest: { ...view.manifest, pieces } };
    }
    case 'sign': {
      const sign: SeenSign = { ...event.sign, arm: event.arm, seed: event.seed };
      const others = view.signs.filter((each) => !sameSign(each, sign));
      return { ...view, signs: [...others, sign] };
    }
    case 'manifest':
      return { ...view, manifest: event.manifest };
  }
}

const sameSign = (a: SeenSign, b: SeenSign): boolean => a.id === b.id && a.arm === b.arm && a.seed === b.seed;

/** With a report as it was just read; events since then keep it behind. */
export function withReport(view: LabView, report: LabReport, behindAtRead: number): LabView {
  return { ...view, report, behind: Math.max(0, view.behind - behindAtRead) };
}

export type LabStatus = 'new' | 'running' | 'stopped' | 'finished' | 'failed';

export const LAB_STATUS_WORDS: Readonly<Record<LabStatus, string>> = {
  new: 'not started',
  running: 'at work',
  stopped: 'stopped half-way',
  finished: 'finished',
  failed: 'finished, with failures',
};

/** As its pieces show. @param fingerprint of its data; null before that was read */
export function labStatus(manifest: LabManifest, fingerprint: string | null, atWork: boolean): LabStatus {
  if (atWork) return 'running';
  if (Object.keys(manifest.pieces).length === 0) return 'new';
  const states = fingerprint === null ? [] : [...armStates(manifest, fingerprint).values()].flat();
  if (fingerprint === null || states.some((state) => state === 'waiting' || state === 'running'))
    return 'stopped';
  return states.includes('failed') ? 'failed' : 'finished';
}

/** Arms that have ended, in whatever way. */
export function armsEnded(arms: readonly ArmRow[]): number {
  return arms.filter(({ state }) => state === 'done' || state === 'failed').length;
}

/** Seconds that nobody knows exactly: 3179 -> "53 min". */
export function roughly(seconds: number): string {
  const step = seconds < 60 ? 1 : seconds < 600 ? 10 : seconds < 3 * 3600 ? 60 : 600;
  return duration(Math.round(seconds / step) * step);
}
