/** Times of two ways of doing the same, taken in turn: what else the machine does then slows both. */

export const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

async function once(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Median seconds of a few runs, after one to warm up. */
export async function seconds(work: () => Promise<unknown>, repeats = 5): Promise<number> {
  await work();
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) times.push(await once(work));
  return median(times);
}

export interface Compared {
  /** Median seconds. */
  readonly ours: number;
  readonly peer: number;
  /** Median of the rounds' peer / ours. */
  readonly ratio: number;
}

/** Ours and its peer in turn, after one run of each to warm up. */
export async function sideBySide(
  ours: () => Promise<unknown>,
  peer: () => Promise<unknown>,
  repeats = 5,
): Promise<Compared> {
  await ours();
  await peer();
  const rounds: { ours: number; peer: number }[] = [];
  for (let i = 0; i < repeats; i++) rounds.push({ ours: await once(ours), peer: await once(peer) });
  return {
    ours: median(rounds.map((round) => round.ours)),
    peer: median(rounds.map((round) => round.peer)),
    ratio: median(rounds.map((round) => round.peer / round.ours)),
  };
}
