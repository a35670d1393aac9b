/** Compiled programs by key: so many are kept, the one used longest ago goes. */
import type { Graph } from '../graph/index.ts';
import type { Device, Program } from './device.ts';

export class ProgramShelf {
  private readonly device: Device;
  private readonly most: number;
  private readonly programs = new Map<string, Promise<Program>>();

  constructor(device: Device, most: number) {
    this.device = device;
    this.most = most;
  }

  async get(key: string, build: () => Graph): Promise<Program> {
    const known = this.programs.get(key);
    if (known) {
      this.programs.delete(key);
      this.programs.set(key, known);
      return known;
    }
    // What goes makes room before more is made.
    for (const [oldest, program] of this.programs) {
      if (this.programs.size < this.most) break;
      this.programs.delete(oldest);
      await (await program).release();
    }
    const program = this.device.compile(build());
    program.catch(() => this.programs.delete(key));
    this.programs.set(key, program);
    return program;
  }

  async dispose(): Promise<void> {
    const programs = [...this.programs.values()];
    this.programs.clear();
    for (const program of programs) await (await program).release();
  }
}
