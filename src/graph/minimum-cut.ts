/** Minimum cuts of small networks. */

export interface Arc {
  readonly from: number;
  readonly to: number;
  readonly capacity: number;
}

interface Residual {
  readonly to: number;
  left: number;
  /** Place of the arc in the other direction, in the list of `to`. */
  readonly back: number;
}

/**
 * Of all cuts between two points whose arcs' capacities sum to the least, the one nearest to the sink (Edmonds and
 * Karp: shortest paths are filled until none is left).
 *
 * @param points their number; arcs name them 0..points-1
 * @returns the points on the sink's side: the cut is the arcs that enter it
 * @throws Error where no finite cut parts the two
 */
export function minimumCut(
  points: number,
  arcs: readonly Arc[],
  source: number,
  sink: number,
): ReadonlySet<number> {
  const network: Residual[][] = Array.from({ length: points }, () => []);
  const at = (point: number): Residual[] => network[point] ?? [];
  for (const { from, to, capacity } of arcs) {
    at(from).push({ to, left: capacity, back: at(to).length });
    at(to).push({ to: from, left: 0, back: at(from).length - 1 });
  }
  const opposite = (arc: Residual): Residual => {
    const found = at(arc.to)[arc.back];
    if (!found) throw new Error('internal: an arc without its opposite');
    return found;
  };
  for (let path = shortest(network, source, sink); path; path = shortest(network, source, sink)) {
    const flow = Math.min(...path.map(({ left }) => left));
    if (flow === Number.POSITIVE_INFINITY) throw new Error('internal: no finite cut');
    for (const arc of path) {
      arc.left -= flow;
      opposite(arc).left += flow;
    }
  }
  const side = new Set([sink]);
  for (const point of side) for (const arc of at(point)) if (opposite(arc).left > 0) side.add(arc.to);
  return side;
}

/** The arcs of a shortest path that still takes flow. */
function shortest(
  network: readonly (readonly Residual[])[],
  source: number,
  sink: number,
): Residual[] | null {
  const reachedBy = new Map<number, { arc: Residual; from: number }>();
  const open = [source];
  for (const point of open) {
    for (const arc of network[point] ?? []) {
      if (arc.left <= 0 || arc.to === source || reachedBy.has(arc.to)) continue;
      reachedBy.set(arc.to, { arc, from: point });
      if (arc.to === sink) {
        const path: Residual[] = [];
        for (let step = reachedBy.get(sink); step; step = reachedBy.get(step.from)) path.push(step.arc);
        return path;
      }
      open.push(arc.to);
    }
  }
  return null;
}
