/**
 * OUT/.lab: the browser profile in which a lab lives until it is done, and what was asked for, so that the same command
 * goes on with it and another one does not touch it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonical } from '../../src/lab/keys.ts';
import { UsageError } from './fail.ts';
import { type Identity, newToken } from './server.ts';

/** What makes a lab the same lab, each by the name that a message gives it. */
export type Asked = Readonly<Record<string, unknown>>;

interface Kept {
  readonly asked: Asked;
  /** A part of the addresses of models, which are part of the lab's settings. */
  readonly token: string;
}

const FILE = 'asked.json';
/** Browsers take names below localhost for the own machine, and each for an origin of its own. */
const HOST = 'lab.localhost';

export class LabFolder {
  private constructor(
    private readonly folder: string,
    readonly identity: Identity,
    /** Whether an earlier command has begun the lab. */
    readonly begun: boolean,
  ) {}

  get profile(): string {
    return join(this.folder, 'profile');
  }

  /**
   * @param out folder of the output
   * @throws UsageError where another lab is there
   */
  static async open(out: string, asked: Asked): Promise<LabFolder> {
    const folder = join(out, '.lab');
    const file = join(folder, FILE);
    // Through JSON: what is compared is what was written.
    const now: Asked = JSON.parse(canonical(asked));
    if (existsSync(folder)) {
      const kept = read(file);
      const other = Object.keys({ ...now, ...kept?.asked }).filter(
        (name) => canonical(now[name] ?? null) !== canonical(kept?.asked[name] ?? null),
      );
      if (kept !== null && other.length === 0) {
        return new LabFolder(folder, { host: HOST, token: kept.token }, true);
      }
      throw new UsageError(
        `--out ${out} holds a lab that ${kept === null ? 'was begun by another version' : `differs in ${other.join(', ')}`}: ` +
          `repeat its command to go on with it, name another folder, or delete ${folder} to begin anew.`,
      );
    }
    const token = newToken();
    await mkdir(folder, { recursive: true });
    await writeFile(file, `${JSON.stringify({ asked: now, token } satisfies Kept, null, 2)}\n`);
    return new LabFolder(folder, { host: HOST, token }, false);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function read(file: string): Kept | null {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (!isRecord(value) || !isRecord(value.asked) || typeof value.token !== 'string') return null;
    return { asked: value.asked, token: value.token };
  } catch {
    return null;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
