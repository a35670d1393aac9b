import { describe, expect, test } from 'vitest';
import { backward, Graph, print, ShapeError, savedValues } from '../../src/graph/index.ts';
import { minimumCut } from '../../src/graph/minimum-cut.ts';
import { responseTotal } from '../../src/model/block.ts';
import { frozenHeadGraph, headChunks } from '../../src/model/end-graphs.ts';
import { referenceConfig } from '../fixtures/reference.ts';

describe('gradient graphs as text', () => {
  test('a linear layer', () => {
    const g = new Graph();
    const x = g.input('x', 'float32', [2, 3]);
    const w = g.input('w', 'float32', [4, 3]);
    const y = g.gemm(x, w, { transB: true });
    const dy = g.input('dy', 'float32', [2, 4]);
    backward(g, [y], [dy], [x, w]).forEach((d, i) => {
      g.output(i === 0 ? 'dx' : 'dw', d);
    });
    expect(print(g)).toMatchInlineSnapshot(`
      "(x:f32[2,3], w:f32[4,3], dy:f32[2,4])
        v1:f32[2,3] = Gemm(dy, w) {transA=false transB=false}
        v2:f32[4,3] = Gemm(dy, x) {transA=true transB=false}
        -> dx=v1, dw=v2"
    `);
  });

  test('silu, its sigmoid reused', () => {
    const g = new Graph();
    const x = g.input('x', 'float32', [5]);
    const y = g.mul(x, g.sigmoid(x));
    const [dx] = backward(g, [y], [g.input('dy', 'float32', [5])], [x]);
    if (dx) g.output('dx', dx);
    expect(print(g)).toMatchInlineSnapshot(`
      "(x:f32[5], dy:f32[5])
        c4:f32[] = [1]
        v0:f32[5] = Sigmoid(x)
        v2:f32[5] = Mul(dy, v0)
        v3:f32[5] = Mul(dy, x)
        v5:f32[5] = Sub(c4, v0)
        v6:f32[5] = Mul(v0, v5)
        v7:f32[5] = Mul(v3, v6)
        v8:f32[5] = Add(v2, v7)
        -> dx=v8"
    `);
  });

  test('a broadcast bias is summed back to its shape', () => {
    const g = new Graph();
    const x = g.input('x', 'float32', [2, 3]);
    const bias = g.input('bias', 'float32', [3]);
    const y = g.add(x, bias);
    const [d] = backward(g, [y], [g.input('dy', 'float32', [2, 3])], [bias]);
    if (d) g.output('dbias', d);
    expect(print(g)).toMatchInlineSnapshot(`
      "(x:f32[2,3], bias:f32[3], dy:f32[2,3])
        v1:f32[1,3] = ReduceSum(dy) {axes=[0] keepdims=true}
        v2:f32[3] = Reshape(v1) {shape=[3]}
        -> dbias=v2"
    `);
  });
});

describe('errors name the operator and the shapes', () => {
  const g = new Graph();
  const a = g.input('a', 'float32', [2, 3]);
  const b = g.input('b', 'float32', [4, 5]);
  test.each([
    ['Add(f32[2,3], f32[4,5]): shapes do not broadcast', () => g.add(a, b)],
    ['MatMul(f32[2,3], f32[4,5]): inner sizes differ', () => g.matmul(a, b)],
    ['Reshape(f32[2,3]): 6 elements do not make [7]', () => g.reshape(a, [7])],
    ['Concat(f32[2,3], f32[4,5]): differ beside axis 0', () => g.concat([a, b], 0)],
    ['Split(f32[2,3]): sizes [1,1] do not add up to axis 1', () => g.split(a, 1, [1, 1])],
  ])('%s', (message, build) => {
    expect(build).toThrow(message);
    expect(build).toThrow(ShapeError);
  });

  test('names are unique, and values stay in their graph', () => {
    expect(() => g.input('a', 'float32', [1])).toThrow('the name a is taken');
    expect(() => new Graph().neg(a)).toThrow('belongs to another graph');
  });
});

test('no tensor of the head is larger than a chunk of tokens by the vocabulary', () => {
  const config = { ...referenceConfig(true), vocabSize: 49_152 };
  const shape = { groups: 2, promptRows: 8, lanes: 3, laneRows: 64, shared: false };
  const rows = responseTotal(shape);
  const chunks = headChunks(rows, config.vocabSize);
  expect(chunks.reduce((a, b) => a + b, 0)).toBe(rows);
  const most = Math.max(...chunks) * config.vocabSize;
  expect(most).toBeLessThanOrEqual(2 ** 21);
  const wide = frozenHeadGraph(config, shape, true).nodes.flatMap((node) => node.outputs);
  for (const { shape: dims } of wide.filter((v) => v.shape.includes(config.vocabSize))) {
    // The gathered and the transposed table itself has [vocabulary, hidden]; everything else is a chunk.
    expect(Number(dims[0])).toBeLessThanOrEqual(Math.max(...chunks));
  }
});

describe('what the forward pass keeps', () => {
  test('the narrowest cut, nearest to the readers', () => {
    // 0 -> 1 -> 2 -> 3 with 5, 2, 2, and a way past the first: 0 -> 2 with 1.
    const arcs = [
      { from: 0, to: 1, capacity: 5 },
      { from: 1, to: 2, capacity: 2 },
      { from: 0, to: 2, capacity: 1 },
      { from: 2, to: 3, capacity: 3 },
    ];
    expect([...minimumCut(4, arcs, 0, 3)]).toEqual([3]);
    const open = [{ from: 0, to: 1, capacity: Number.POSITIVE_INFINITY }];
    expect(() => minimumCut(2, open, 0, 1)).toThrow('no finite cut');
  });

  test('the sum of a projection and its adapter, not both; nothing that comes from inputs alone', () => {
    const g = new Graph();
    const x = g.input('x', 'float32', [4, 8]);
    const w = g.input('w', 'float32', [8, 8]);
    const a = g.input('a', 'float32', [2, 8]);
    const b = g.input('b', 'float32', [8, 2]);
    const normed = g.mul(x, 0.5);
    const low = g.gemm(normed, a, { transB: true });
    const sum = g.add(g.gemm(normed, w, { transB: true }), g.gemm(low, b, { transB: true }));
    const y = g.mul(sum, g.sigmoid(sum));
    const forward = g.nodes.length;
    const gradients = backward(g, [y], [g.input('dy', 'float32', [4, 8])], [a, b, x]);
    expect(savedValues(g, forward, gradients)).toEqual([low, sum]);
  });
});
