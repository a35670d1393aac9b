/** What the page knows of one lab: a pure reducer over its events and what is stored. No DOM, no signals. */
import type { ArmRow, LabEvent, LabManifest, LabProgress, LabReport, Sign } from '../../lab/types.ts';

/** A failure sign as it was seen, and whose it is. */
export type SeenSign = Sign & { readonly arm?: string; readonly seed?: number };

export interface LabView {
  readonly manifest: LabManifest | null;
  /** Of this sitting; null while nothing works. */
  readonly progress: LabProgress | null;
  /** Seen in this sitting, the newest last; one an arm, seed and kind. */
  readonly signs: readonly SeenSign[];
  /** What is known of the arms; null before it was read. */
  readonly report: LabReport | null;
  /** Pieces that ended after the report was read: it is behind by so many. */
  readonly behind: number;
}

export const EMPTY_LAB: LabView = { manifest: null, progress: null, signs: [], report: null, behind: 0 };

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

/** As its pieces show, without reading more: for the list. */
export function labStatus(manifest: LabManifest, atWork: boolean): LabStatus {
  if (atWork) return 'running';
  const pieces = Object.values(manifest.pieces);
  if (pieces.length === 0) return 'new';
  const evaluations = pieces.filter(({ kind, state }) => kind === 'evaluation' && state !== 'running');
  const failed = pieces.some(({ state }) => state === 'failed');
  if (pieces.some(({ state }) => state === 'running')) return 'stopped';
  if (!failed && evaluations.length < manifest.arms.length * manifest.seeds.length) return 'stopped';
  return failed ? 'failed' : 'finished';
}

/** As the arms of its report have it, where that was read. */
export function statusOfView(view: LabView, atWork: boolean): LabStatus {
  const { manifest, report } = view;
  if (manifest === null) return 'new';
  const byPieces = labStatus(manifest, atWork);
  if (report === null || byPieces === 'running' || byPieces === 'new') return byPieces;
  if (report.arms.some(({ state }) => state === 'waiting' || state === 'running')) return 'stopped';
  return report.arms.some(({ state }) => state === 'failed') ? 'failed' : 'finished';
}

/** Arms that have ended, in whatever way. */
export function armsEnded(arms: readonly ArmRow[]): number {
  return arms.filter(({ state }) => state === 'done' || state === 'failed').length;
}

/** State of each seed of an arm, in the order of the lab's seeds; the arm's own where the report has only that. */
export function seedStates(arm: ArmRow, seeds: number): readonly ArmRow['state'][] {
  return arm.seedStates ?? Array.from({ length: seeds }, () => arm.state);
}
