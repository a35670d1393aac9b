/** Reads prompts: keys and values of all their tokens but the last, prompts of one padded length together. */
import { padLength, rotaryTable } from '../model/batch.ts';
import { kindsWithin } from '../model/config.ts';
import { prefillGraph, promptsTogether } from '../model/prefill-graph.ts';
import { cosInput, sinInput } from '../model/training-graphs.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import type { Device, Program, Tensors } from './device.ts';

export interface Read {
  /** Prompts of this run, as indices into those asked for. */
  readonly prompts: readonly number[];
  /** Tokens a prompt, padding included. */
  readonly length: number;
  /**
   * key{l} [prompts, KV, D, length], on a GPU [prompts, KV, length, D], and value{l} [prompts, KV, length, D]; the
   * caller disposes of them.
   */
  readonly out: Tensors;
}

export class Prefill {
  private readonly device: Device;
  private readonly weights: DecoderWeights;
  private readonly programs = new Map<number, Promise<Program>>();
  /** Tokens read so far, without padding. */
  tokens = 0;

  constructor(device: Device, weights: DecoderWeights) {
    this.device = device;
    this.weights = weights;
  }

  /** Prompts of one token have nothing to be read before it: they are in none of the runs. */
  async *read(prompts: readonly (readonly number[])[]): AsyncGenerator<Read> {
    const byLength = new Map<number, number[]>();
    prompts.forEach((prompt, i) => {
      if (prompt.length < 2) return;
      const length = padLength(prompt.length - 1);
      byLength.set(length, [...(byLength.get(length) ?? []), i]);
    });
    for (const [length, members] of byLength) {
      const most = promptsTogether(length);
      for (let i = 0; i < members.length; i += most) {
        const some = members.slice(i, i + most);
        const out = await this.run(
          length,
          some.map((index) => prompts[index] ?? []),
        );
        yield { prompts: some, length, out };
      }
    }
  }

  private async run(length: number, prompts: readonly (readonly number[])[]): Promise<Tensors> {
    const { config, bound } = this.weights;
    const ids = new Int32Array(prompts.length * length);
    const positions = ids.map((_, i) => i % length);
    prompts.forEach((prompt, slot) => {
      ids.set(prompt.slice(0, -1), slot * length);
      this.tokens += prompt.length - 1;
    });
    const tables: Tensors = {};
    config.rope.forEach((rope, i) => {
      const { cos, sin } = rotaryTable(rope, config.headDim, positions);
      tables[cosInput(i)] = this.device.host(cos, [ids.length, 1, config.headDim / 2]);
      tables[sinInput(i)] = this.device.host(sin, [ids.length, 1, config.headDim / 2]);
    });
    const program = await this.program(length);
    return program.run({ ...bound, ...tables, ids: this.device.host(ids, [ids.length]) });
  }

  private program(length: number): Promise<Program> {
    const { config } = this.weights;
    let program = this.programs.get(length);
    if (!program) {
      const kinds = kindsWithin(config.layerKinds, length);
      program = this.device.compile(
        prefillGraph(config, length, kinds, (g) => this.weights.inputs(g), !this.device.memory),
      );
      program.catch(() => this.programs.delete(length));
      this.programs.set(length, program);
    }
    return program;
  }

  async dispose(): Promise<void> {
    const programs = [...this.programs.values()];
    this.programs.clear();
    for (const program of programs) await (await program).release();
  }
}
