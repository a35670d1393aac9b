/** Receives a run's files in a folder aside and moves them into OUT, the report last. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';

/** Whose presence says that everything else is there; in the order in which they are moved. */
const LAST = ['run.json', 'report.json'];

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process lives as well.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** How a text stands in files of a kind; others are not looked into. */
const WRITTEN: Readonly<Record<string, (text: string) => string>> = {
  // Within the quotes: a value may be part of a longer text.
  '.json': (text) => JSON.stringify(text).slice(1, -1),
  '.html': (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
  '.md': (text) => text,
};

export class Output {
  readonly out: string;
  /** Where the files are received. */
  readonly aside: string;

  constructor(out: string) {
    this.out = out;
    this.aside = join(out, `.partial-${process.pid}`);
  }

  async open(): Promise<void> {
    await mkdir(this.aside, { recursive: true });
    for (const name of await readdir(this.out)) {
      const pid = /^\.partial-(\d+)$/.exec(name)?.[1];
      // What a killed command left.
      if (pid !== undefined && !lives(Number(pid))) await rm(join(this.out, name), { recursive: true });
    }
  }

  /** Replaces text in the received files: addresses of the local server mean nothing later. */
  async rewrite(replacements: ReadonlyMap<string, string>): Promise<void> {
    for (const path of await this.files()) {
      const written = WRITTEN[extname(path)];
      if (written === undefined) continue;
      const file = join(this.aside, path);
      let text = await readFile(file, 'utf8');
      for (const [from, to] of replacements) text = text.replaceAll(written(from), () => written(to));
      await writeFile(file, text);
    }
  }

  /** Moves everything into OUT and returns the paths, the report last. */
  async commit(): Promise<string[]> {
    const paths = await this.files();
    paths.sort((a, b) => LAST.indexOf(a) - LAST.indexOf(b) || a.localeCompare(b));
    // An older report must not vouch for files that are about to change.
    for (const name of LAST) await rm(join(this.out, name), { force: true });
    for (const path of paths) {
      await mkdir(dirname(join(this.out, path)), { recursive: true });
      await rename(join(this.aside, path), join(this.out, path));
    }
    await this.discard();
    return paths;
  }

  async discard(): Promise<void> {
    await rm(this.aside, { recursive: true, force: true });
  }

  private async files(): Promise<string[]> {
    const found: string[] = [];
    for (const entry of await readdir(this.aside, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) found.push(join(entry.parentPath, entry.name).slice(this.aside.length + 1));
    }
    return found;
  }
}
