import { describe, expect, test } from 'vitest';
import type { TextEmbedder } from '../../src/engine/types.ts';
import { diversity } from '../../src/lab/diagnosis/diversity.ts';
import { pairMatrix, pairMean, resampled } from '../../src/lab/diagnosis/resample.ts';
import { deviation, distinctN, meanDistance } from '../../src/lab/diagnosis/variety.ts';
import { stream } from '../../src/model/random.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import type { PreparedData, PromptResponses } from '../../src/pipeline/types.ts';

const unit = (angle: number) => new Float32Array([Math.cos(angle), Math.sin(angle)]);

describe('measures', () => {
  test('mean distance of unit vectors is their total variance', () => {
    // 0, 90 and 180 degrees: distances 1, 1 and 2; the mean vector is (0, 1/3), the variance 3/2 (1 - 1/9).
    const vectors = [unit(0), unit(Math.PI / 2), unit(Math.PI)];
    expect(meanDistance(vectors)).toBeCloseTo(4 / 3, 6);
    expect(meanDistance(vectors)).toBeCloseTo((3 / 2) * (1 - 1 / 9), 6);
    expect(meanDistance([unit(0)])).toBeNull();
  });

  test('distinct-1 and distinct-2 count words and neighbours, not across answers', () => {
    const texts = ['The cat sat.', 'The cat ran!'].map((text) => ({ text, tokens: 4 }));
    expect(distinctN(texts, 1)).toBeCloseTo(4 / 6, 12);
    expect(distinctN(texts, 2)).toBeCloseTo(3 / 4, 12);
    expect(distinctN([{ text: 'Yes.', tokens: 2 }], 2)).toBeNull();
  });

  test('spread of length is the standard deviation', () => {
    expect(deviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(deviation([3])).toBeNull();
  });
});

describe('figures of pairs', () => {
  const matrix = pairMatrix(3, (i, j) => 10 * i + j);

  test('never pair a unit with itself, however often it is drawn', () => {
    // Pairs (0,1), (0,2), (1,2) of the upper half: 1, 2 and 12.
    expect(pairMean(matrix, new Uint8Array([1, 1, 1]))).toBeCloseTo(5, 12);
    expect(pairMean(matrix, new Uint8Array([2, 1, 0]))).toBeCloseTo(1, 12);
    expect(pairMean(matrix, new Uint8Array([1, 2, 1]))).toBeCloseTo((2 * 1 + 2 + 2 * 12) / 5, 12);
    expect(pairMean(matrix, new Uint8Array([3, 0, 0]))).toBeNaN();
  });

  test('the interval of a mean of products is as wide as theory has it', () => {
    // x_i x_j with x normal of mean 2 and deviation 1: the mean of pairs has a standard error of 2 * 2 / sqrt(n).
    const random = stream(7, 'pairs');
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const n = 150;
    const x = Array.from({ length: n }, () => 2 + normal());
    const products = pairMatrix(n, (i, j) => (x[i] ?? 0) * (x[j] ?? 0));
    const [figure] = resampled(n, (weights) => [pairMean(products, weights)]);
    const width = (figure?.high ?? 0) - (figure?.low ?? 0);
    expect(width / (2 * 1.96 * (4 / Math.sqrt(n)))).toBeGreaterThan(0.85);
    expect(width / (2 * 1.96 * (4 / Math.sqrt(n)))).toBeLessThan(1.15);
  });
});

/** Texts are angles: 'yes 0.1' lies at 0.1 radians. The third dimension is never used. */
const angles: TextEmbedder = {
  info: { name: 'angles', fingerprint: '' },
  embed: async (texts) => texts.map((text) => unit(Number(text.split(' ').at(-1)))),
};

const config = parseConfig({ sample: { n: 8 } });

/** Prompts whose good answers lie `good` apart and whose bad ones `bad` apart, all around an angle of the prompt. */
function make(prompts: number, good: number, bad: number, graded = true) {
  const random = stream(3, 'angles');
  const data: PreparedData = {
    train: Array.from({ length: prompts }, (_, i) => ({
      prompt: `p${i}`,
      target: `yes ${i}`,
      promptIds: [1],
      targetIds: [1, 2, 3],
      ...(graded && { grader: { kind: 'contains' as const, all: ['yes'] } }),
    })),
    heldOut: [],
    refused: [],
  };
  const answer = (i: number, word: string, spread: number, tokens: number) => ({
    text: `${word} ${i + spread * (random() - 0.5)}`,
    tokenIds: new Array<number>(tokens).fill(1),
    logp: -1,
    stopped: true,
  });
  const responses: PromptResponses[] = data.train.map((_, index) => ({
    index,
    responses: [0, 1, 2, 3].flatMap((j) => [
      answer(index, 'yes', good, 3),
      answer(index, 'no', bad, 3 + 2 * j),
    ]),
  }));
  const signal = new AbortController().signal;
  return { config, data, responses, marks: [], embedder: async () => angles, signal };
}

describe('assumption 1', () => {
  test('holds where bad answers are further apart, with intervals beyond 0', async () => {
    const found = await diversity(make(30, 0.1, 1));
    expect(found).toMatchObject({ holds: 'holds', positives: 30 * 5, negatives: 30 * 4 });
    expect(found?.verdict).toMatch(/^Assumption 1 holds on these data: negatives vary more than positives/);
    const rows = new Map(found?.rows.map((row) => [row.what, row] as const));
    expect([...rows.keys()]).toEqual([
      'distance within a prompt',
      'distinct-1',
      'distinct-2',
      'spread of length',
      'distance over the data',
      'topics',
    ]);
    expect(rows.get('distance within a prompt')?.difference.low).toBeGreaterThan(0);
    // Tokens 3, 5, 7, 9 against 3 always.
    expect(rows.get('spread of length')).toMatchObject({
      positives: { value: 0, n: 30 },
      negatives: { value: expect.closeTo(Math.sqrt(20 / 3), 12) },
    });
    // Angles of 0 to 29 radians go round the circle: cosines average 0, their squares a half.
    expect(rows.get('topics')?.positives.value).toBeCloseTo(2, 0);
    expect(rows.get('distance over the data')?.positives.value).toBeCloseTo(1, 1);
  });

  test('fails where good answers are, and is unclear where neither is', async () => {
    expect(await diversity(make(30, 1, 0.1))).toMatchObject({ holds: 'fails' });
    expect(await diversity(make(30, 1, 1))).toMatchObject({ holds: 'unclear' });
  });

  test('is not known from a few prompts, nor without a judge; then targets are compared over the data', async () => {
    expect((await diversity(make(5, 0.1, 1)))?.verdict).toMatch(/^Not known: only 5 prompts/);
    const unjudged = await diversity(make(30, 0.1, 1, false));
    expect(unjudged).toMatchObject({ holds: 'unclear', positives: 30, negatives: 240 });
    expect(unjudged?.verdict).toMatch(/^Not known: without a grader/);
    expect(unjudged?.rows.map(({ what }) => what)).toEqual(['distance over the data', 'topics']);
  });

  test('the same answers give the same figures', async () => {
    expect(await diversity(make(12, 0.3, 0.5))).toEqual(await diversity(make(12, 0.3, 0.5)));
  });
});
