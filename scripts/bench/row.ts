/** What a benchmark gives, and what `npm run bench` needs to know of one. */

export interface Row {
  readonly name: string;
  readonly value: string;
  /** The other side, measured in the same run. */
  readonly peer: string;
  /** How many times better than the peer (above 1 is better), where the two can be compared. */
  readonly ratio?: number;
  /** What the ratio or the value should reach. */
  readonly wanted?: string;
  /** All numbers behind the row, for the JSON file. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface BenchOptions {
  /** Words behind the options, e.g. which models. */
  readonly words: readonly string[];
  /** Small shapes on an emulated adapter, to see that the benchmark works. */
  readonly tiny: boolean;
  readonly minutes: number | null;
}

export interface Bench {
  readonly name: string;
  /** One line for the list. */
  readonly about: string;
  /** Run only where it is named: it takes long. */
  readonly onlyByName?: boolean;
  rows(options: BenchOptions): Promise<Row[]>;
}

/** One line of the table. */
export function line({ name, value, peer, ratio, wanted }: Row): string {
  const times = ratio === undefined ? '' : `${ratio.toFixed(2)}x`;
  return [name.padEnd(52), value.padEnd(26), peer.padEnd(40), times.padStart(8), wanted ?? '']
    .join('  ')
    .trimEnd();
}
