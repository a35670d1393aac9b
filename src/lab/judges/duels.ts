/** What judges said of arms, two at a time. */
import { wilson } from '../stats/index.ts';
import type { Choice, ComparisonKey, Duel, Verdict } from '../types.ts';

/**
 * One duel a judge and two arms, with the win rate of `armA`, ties half.
 *
 * Two answers that are the same text count as a tie without being asked about: of those there are, the share that the
 * judge has answered of the others, so that a judge who has just begun is not drowned in them.
 *
 * @param keys of all arms that verdicts may be about; verdicts without a key are left out
 * @param arms in the lab's order: of two, the later is `armA`. By name where it is left out
 */
export function duels(
  verdicts: readonly Verdict[],
  keys: readonly ComparisonKey[],
  arms: readonly string[] = [],
): Duel[] {
  const pairs = grouped(keys, ({ armA, armB }) => JSON.stringify([armA, armB].sort()));
  const judges = grouped(verdicts, ({ judge }) => judge);
  return judges.flatMap((said) => {
    const choices = new Map(said.map(({ id, choice }) => [id, choice] as const));
    return pairs.flatMap((asked) => duel(said[0]?.judge ?? '', asked, choices, arms) ?? []);
  });
}

/** Null where the judge has said nothing of these two. */
function duel(
  judge: string,
  keys: readonly ComparisonKey[],
  choices: ReadonlyMap<string, Choice>,
  arms: readonly string[],
): Duel | null {
  const [key] = keys;
  if (key === undefined) return null;
  const later = arms.indexOf(key.armA) - arms.indexOf(key.armB) || (key.armA < key.armB ? 1 : -1);
  const [armA, armB] = later > 0 ? [key.armA, key.armB] : [key.armB, key.armA];
  const different = keys.filter(({ same }) => !same);
  const decided = different.flatMap((each) => {
    const choice = choices.get(each.id);
    if (choice === undefined) return [];
    return { seed: each.seed, winner: choice === 'tie' ? null : choice === 'a' ? each.armA : each.armB };
  });
  if (decided.length === 0) return null;
  const wins = decided.filter(({ winner }) => winner === armA).length;
  const losses = decided.filter(({ winner }) => winner === armB).length;
  const same = Math.round(((keys.length - different.length) * decided.length) / different.length);
  const n = decided.length + same;
  const ties = n - wins - losses;
  const seeds = new Set(decided.map(({ seed }) => seed)).size;
  return { judge, armA, armB, wins, ties, losses, winRate: { ...wilson(wins + ties / 2, n), seeds } };
}

/** Items with the same key together, in the order of their first. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return [...groups.values()];
}
