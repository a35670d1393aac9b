/** The matrix products that a training step can't do without: what its speed is measured against. */
import { Graph, type Value } from '../../src/graph/index.ts';
import { type Geometry, responseTotal, rowTotal } from '../../src/model/block.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { headChunks } from '../../src/model/end-graphs.ts';
import { type LoraConfig, projections } from '../../src/model/parameters.ts';

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

/** What a step's products are for. */
export type Part = 'weights' | 'attention' | 'adapter' | 'head';
const ALL_PARTS: readonly Part[] = ['weights', 'attention', 'adapter', 'head'];

/**
 * The matrix products that a LoRA step of one micro-batch can't do without, and nothing else, as one graph:
 *
 * - frozen weights: x W^T and dy W of every projection;
 * - attention: q K^T and p V, and of each the two products of its gradient, every response seeing its prompt and all of
 *   itself (what is masked is multiplied, as it is in the step);
 * - adapters: x A^T, its product with B^T, and of each the two products of its gradient;
 * - the head's h W^T and p W, in chunks, of the response rows.
 *
 * Each product's left side is the result of the one before, so that none is computed once for all layers; every layer's
 * weights are the same inputs, which hands the least over. The rows of a step's attention are counted as they are here.
 */
export function bareGraph(
  c: ModelConfig,
  s: Geometry,
  lora: LoraConfig,
  parts: readonly Part[] = ALL_PARTS,
): Graph {
  const g = new Graph();
  const results: Value[] = [];
  const rows = rowTotal(s);
  if (parts.includes('weights')) {
    for (const { target, out, in: inner } of projections(c)) {
      const w = g.input(`w.${target}`, 'float32', [out, inner]);
      let x = g.input(`x.${target}`, 'float32', [rows, inner]);
      for (let l = 0; l < c.layers; l++) x = g.gemm(g.gemm(x, w, { transB: true }), w);
      results.push(x);
    }
  }
  if (parts.includes('adapter')) results.push(...adapterProducts(g, c, rows, lora));
  if (parts.includes('attention')) {
    const rep = c.heads / c.kvHeads;
    const { groups: G, promptRows: P, lanes: R, laneRows: L } = s;
    const blocks = [
      { name: 'prompt', n: G, queries: P, keys: P },
      { name: 'response', n: G * R, queries: L, keys: P + L },
    ];
    for (const { name, n, queries, keys } of blocks) {
      const k = g.input(`k.${name}`, 'float32', [n, c.kvHeads, c.headDim, keys]);
      const v = g.input(`v.${name}`, 'float32', [n, c.kvHeads, keys, c.headDim]);
      let q = g.input(`q.${name}`, 'float32', [n, c.kvHeads, rep * queries, c.headDim]);
      // Three of each: the forward product and the two of its gradient have the same number of operations.
      for (let i = 0; i < 3 * c.layers; i++) q = g.matmul(g.matmul(q, k), v);
      results.push(q);
    }
  }
  if (parts.includes('head')) {
    const table = g.input('table', 'float32', [c.vocabSize, c.hiddenSize]);
    const h = g.input('h', 'float32', [responseTotal(s), c.hiddenSize]);
    for (const chunk of g.split(h, 0, headChunks(responseTotal(s), c.vocabSize)))
      results.push(g.gemm(g.gemm(chunk, table, { transB: true }), table));
  }
  // One number each: handing results out is no product.
  results.forEach((x, i) => {
    g.output(`y${i}`, g.slice(g.reshape(x, [x.shape.reduce<number>((a, b) => a * Number(b), 1)]), 0, 0, 1));
  });
  return g;
}

function adapterProducts(g: Graph, c: ModelConfig, rows: number, { rank, targets }: LoraConfig): Value[] {
  return projections(c)
    .filter(({ target }) => targets.includes(target))
    .flatMap(({ target, out, in: inner }) => {
      const a = g.input(`a.${target}`, 'float32', [rank, inner]);
      const b = g.input(`b.${target}`, 'float32', [out, rank]);
      let x = g.input(`r.${target}`, 'float32', [rows, inner]);
      const gradients: Value[] = [];
      for (let l = 0; l < c.layers; l++) {
        const low = g.gemm(x, a, { transB: true });
        const y = g.gemm(low, b, { transB: true });
        const dLow = g.gemm(y, b);
        gradients.push(g.gemm(y, low, { transA: true }), g.gemm(dLow, x, { transA: true }));
        x = g.gemm(dLow, a);
      }
      return [x, ...gradients];
    });
}
