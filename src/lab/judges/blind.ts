/** Blind A/B by the user: which question is next, and the way back. Pure: the page draws it, and stores the verdicts. */
import type { Choice, Comparison, Verdict } from '../types.ts';

/** The judge of verdicts that were given on the page. */
export const YOU = 'you';

export interface Blind {
  /** Not yet judged, the next one first. */
  readonly queue: readonly Comparison[];
  /** Judged, the last one last. */
  readonly judged: readonly { readonly comparison: Comparison; readonly verdict: Verdict }[];
}

/** Goes on where stored verdicts end; those of other judges, and on other comparisons, are left alone. */
export function beginBlind(comparisons: readonly Comparison[], stored: readonly Verdict[]): Blind {
  const own = new Map(stored.flatMap((each) => (each.judge === YOU ? [[each.id, each] as const] : [])));
  const judged = comparisons.flatMap((comparison) => {
    const verdict = own.get(comparison.id);
    return verdict ? [{ comparison, verdict }] : [];
  });
  return {
    queue: comparisons.filter(({ id }) => !own.has(id)),
    judged: judged.sort((x, y) => x.verdict.at - y.verdict.at),
  };
}

/**
 * @param at milliseconds since 1970
 * @returns the verdict to be stored; null where no question is left
 */
export function chooseBlind(
  blind: Blind,
  choice: Choice,
  at: number,
): { blind: Blind; verdict: Verdict | null } {
  const [comparison, ...queue] = blind.queue;
  if (comparison === undefined) return { blind, verdict: null };
  const verdict: Verdict = { id: comparison.id, choice, judge: YOU, at };
  return { blind: { queue, judged: [...blind.judged, { comparison, verdict }] }, verdict };
}

/** Asks the last judged question again, as often as there are any. @returns the verdict to be deleted, or null */
export function undoBlind(blind: Blind): { blind: Blind; verdict: Verdict | null } {
  const last = blind.judged.at(-1);
  if (last === undefined) return { blind, verdict: null };
  return {
    blind: { queue: [last.comparison, ...blind.queue], judged: blind.judged.slice(0, -1) },
    verdict: last.verdict,
  };
}

/** What a key on the keyboard means: A or the left arrow, B or the right one, T or the one down for a tie. */
export function blindKey(key: string): Choice | 'undo' | null {
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case 'a':
    case '1':
    case 'ArrowLeft':
      return 'a';
    case 'b':
    case '2':
    case 'ArrowRight':
      return 'b';
    case 't':
    case '=':
    case '0':
    case 'ArrowDown':
      return 'tie';
    case 'u':
    case 'z':
    case 'Backspace':
      return 'undo';
    default:
      return null;
  }
}
