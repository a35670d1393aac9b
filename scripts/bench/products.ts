/** The matrix products that a training step can't do without: what its speed is measured against. */
import type { ModelConfig } from '../../src/model/config.ts';
import { projections } from '../../src/model/parameters.ts';

export interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly count: number;
}

/** The frozen weights' products of one step: forward and backward for activations, head included. */
export function products(c: ModelConfig, rows: number, headRows: number): Product[] {
  const layers = projections(c).flatMap(({ out, in: inner }) => [
    { m: rows, k: inner, n: out, count: c.layers },
    { m: rows, k: out, n: inner, count: c.layers },
  ]);
  return [
    ...layers,
    { m: headRows, k: c.hiddenSize, n: c.vocabSize, count: 1 },
    { m: headRows, k: c.vocabSize, n: c.hiddenSize, count: 1 },
  ];
}

/** Floating-point operations, a multiplication and an addition each. */
export const operations = (list: readonly Product[]): number =>
  list.reduce((sum, { m, k, n, count }) => sum + 2 * m * k * n * count, 0);
