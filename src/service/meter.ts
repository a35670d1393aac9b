/** How far an import is. */

export interface ImportProgress {
  readonly file: string;
  readonly rows: number;
  readonly refused: number;
  readonly duplicates: number;
  readonly bytes: number;
  readonly totalBytes: number;
  /** Bytes a second; 0 while unknown. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

const PROGRESS_EVERY_MS = 100;

/** Counts what was read and tells of it now and then. */
export class Meter {
  rows = 0;
  private refused = 0;
  private duplicates = 0;
  /** Bytes of the files read to their end. */
  private before = 0;
  private readonly started: number;
  private told = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds */
  constructor(
    private readonly now: () => number,
    private readonly total: number,
    private readonly tell: (progress: ImportProgress) => void,
  ) {
    this.started = now();
  }

  update(
    file: string,
    batch: {
      readonly rows: readonly unknown[];
      readonly refused: readonly unknown[];
      readonly duplicates: readonly unknown[];
      readonly bytes: number;
    },
  ): void {
    this.rows += batch.rows.length;
    this.refused += batch.refused.length;
    this.duplicates += batch.duplicates.length;
    const time = this.now();
    if (time - this.told < PROGRESS_EVERY_MS) return;
    this.told = time;
    const bytes = this.before + batch.bytes;
    const rate = time > this.started ? (bytes / (time - this.started)) * 1000 : 0;
    this.tell({
      file,
      rows: this.rows,
      refused: this.refused,
      duplicates: this.duplicates,
      bytes,
      totalBytes: this.total,
      rate,
      secondsLeft: rate > 0 ? (this.total - bytes) / rate : null,
    });
  }

  /** A file of so many bytes is read to its end. */
  ended(size: number): void {
    this.before += size;
  }
}
