/** Short responses one behind the other in lanes of equal length: padding costs as much as tokens do. */

/** Where a response lies among its group's lanes. */
export interface Place {
  readonly lane: number;
  /** Row of its first token within the lane. */
  readonly first: number;
}

export interface Lanes {
  /** One a response. */
  readonly places: readonly Place[];
  readonly count: number;
}

/** The longest first, each into the first lane that has room; a lane's rows hold any response. */
export function packLanes(lengths: readonly number[], laneRows: number): Lanes {
  const order = lengths.map((_, i) => i).sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0) || a - b);
  const used: number[] = [];
  const places: Place[] = new Array(lengths.length);
  for (const i of order) {
    const length = lengths[i] ?? 0;
    const open = used.findIndex((rows) => rows + length <= laneRows);
    const lane = open < 0 ? used.length : open;
    const first = used[lane] ?? 0;
    used[lane] = first + length;
    places[i] = { lane, first };
  }
  return { places, count: used.length };
}
