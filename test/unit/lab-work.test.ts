import { expect, test } from 'vitest';
import { equalEpochs, targetTokens, unitsOf } from '../../src/lab/compute.ts';
import { keyOf } from '../../src/lab/keys.ts';
import { gridPlan, planOf, together } from '../../src/lab/plans.ts';
import { drawOf, poolFlags } from '../../src/lab/pools.ts';
import type { LabManifest } from '../../src/lab/types.ts';
import { planWork } from '../../src/lab/work.ts';
import { parseConfig } from '../../src/pipeline/config.ts';
import { drawNegatives, poolOf } from '../../src/pipeline/filter.ts';
import type { PromptResponses } from '../../src/pipeline/types.ts';
import { labManifest } from '../fixtures/memory-lab.ts';

const config = parseConfig({ sample: { n: 32 } });
const facts = { hasRejected: true, imported: 8 };
const all = together([
  planOf('negatives', config, facts),
  planOf('filter', config, facts),
  planOf('threshold', config, facts),
  planOf('baselines', config, facts),
]);

const plan = (change: Partial<LabManifest> = {}, fingerprint = 'data') =>
  planWork(labManifest(config, { ...all, seeds: [1, 2, 3], ...change }), fingerprint);
const keys = (change: Partial<LabManifest> = {}, fingerprint?: string) =>
  new Set(plan(change, fingerprint).works.map(({ key }) => key));

test('a key says what a piece depends on, in whatever order it is written', () => {
  expect(keyOf({ a: 1, b: { c: [1, 2], d: undefined } })).toBe(keyOf({ b: { c: [1, 2] }, a: 1 }));
  expect(keyOf({ a: [1, 2] })).not.toBe(keyOf({ a: [2, 1] }));
  expect(keyOf('')).toMatch(/^[0-9a-f]{64}$/);
});

test('four plans share the data, and a seed its SFT, its samples and the pieces of arms that are alike', () => {
  const { works, arms, byKey } = plan();
  const count = (kind: string, also: (label: string) => boolean = () => true) =>
    works.filter((work) => work.kind === kind && also(work.label)).length;
  expect(count('data')).toBe(1);
  expect(count('policy', (label) => label.startsWith('SFT, seed'))).toBe(3);
  // SPIN samples one answer of its own.
  expect(count('answers', (label) => /^(an answer|\d+ answers) for SFT, seed/.test(label))).toBe(6);
  // SPIN's second and third iteration, and Self-Contrast's second.
  expect(count('answers', (label) => /^(an answer|\d+ answers) for (?!SFT,)/.test(label))).toBe(9);
  expect(count('diagnosis')).toBe(1);
  expect(arms.length).toBe(3 * all.arms.length);
  // Arms with the same policy are one arm, whichever plans they come from.
  expect(count('evaluation')).toBe(3 * all.arms.length);
  // What is needed comes before.
  const seen = new Set<string>();
  for (const work of works) {
    expect(work.needs.filter((key) => !seen.has(key))).toEqual([]);
    seen.add(work.key);
  }
  expect(byKey.size).toBe(works.length);
  expect(keys()).toEqual(keys());
});

test('other settings, marks, data and seeds change the pieces that depend on them alone', () => {
  const changed = (change: Partial<LabManifest>, fingerprint?: string) => {
    const before = keys();
    return new Set(
      plan(change, fingerprint)
        .works.filter(({ key }) => !before.has(key))
        .map((work) => (work.kind === 'policy' ? work.stage : work.kind)),
    );
  };
  const set = (value: object) => ({ config: parseConfig({ sample: { n: 32 }, ...value }) });
  expect([...changed({ marks: [{ prompt: 'p', text: 't' }] })].sort()).toEqual([
    ...['answers', 'diagnosis', 'dpo', 'evaluation', 'sft'],
  ]);
  expect([...changed(set({ evaluate: { samples: 3 } }))]).toEqual(['evaluation']);
  expect(changed(set({ sft: { learningRate: 1e-5 } })).has('data')).toBe(false);
  expect(changed({}, 'other data').size).toBe(6);
  // Memory is chosen for a device; what is computed with it differs in its last bits at most.
  expect(changed({ memory: { rows: 256, segment: 1, keep: false, sampleRows: 4 } }).size).toBe(0);
  const known = keys();
  expect(
    plan({ seeds: [1, 2, 3, 4] })
      .works.filter(({ key }) => !known.has(key))
      .every((w) => w.seed === 4),
  ).toBe(true);
});

test('a grid shares what its settings do not touch, and opens each model once a seed', () => {
  const { arms, info } = gridPlan(
    [
      { key: 'precision', values: ['f32', 'f16', 'q8'] },
      { key: 'dpo.beta', values: [0.1, 0.2] },
    ],
    config,
  );
  const { works } = planWork(labManifest(config, { arms, plans: [info], seeds: [1, 2] }), 'data');
  const of = (kind: string) => works.filter((work) => work.kind === kind && work.seed === 1);
  // The tokens are the same whatever the weights are kept as; SFT is not, but does not read beta.
  expect(works.filter(({ kind }) => kind === 'data').length).toBe(1);
  expect(of('policy').map(({ label }) => label)).toEqual([
    ...['SFT, seed 1', 'precision = f32, dpo.beta = 0.1, seed 1', 'precision = f32, dpo.beta = 0.2, seed 1'],
    'SFT of precision = f16, dpo.beta = 0.1, seed 1',
    ...['precision = f16, dpo.beta = 0.1, seed 1', 'precision = f16, dpo.beta = 0.2, seed 1'],
    'SFT of precision = q8, dpo.beta = 0.1, seed 1',
    ...['precision = q8, dpo.beta = 0.1, seed 1', 'precision = q8, dpo.beta = 0.2, seed 1'],
  ]);
  expect(of('answers').length).toBe(3);
  const opened = works
    .filter(({ kind }) => kind === 'policy')
    .map(({ config: { precision }, seed }) => `${seed} ${precision}`);
  const changes = opened.filter((one, i) => one !== opened[i - 1]);
  expect(changes.length).toBe(new Set(opened).size);
});

const responses = (texts: readonly string[], similarities: readonly number[]): PromptResponses => ({
  index: 3,
  responses: texts.map((text, i) => ({
    text,
    tokenIds: [i],
    logp: -i,
    stopped: true,
    similarity: similarities[i] ?? 0,
  })),
});

const some = responses(['a', '', 'b', 'a', 'c', 'd', 'e', 'f'], [0.1, 0.9, 0.8, 0.1, 0.3, 0.5, 0.2, 0.7]);

test('the controls have pools as large as the filter, of what it chooses from', () => {
  const filter = { mode: 'lastdedup', percent: 50 } as const;
  const random = () => 0.5;
  const texts = (select: 'least' | 'random' | 'most', list = some.responses) =>
    list.flatMap(({ text }, i) => (poolFlags(list, filter, select, random)[i] ? [text] : []));
  expect(texts('least')).toEqual(['a', 'c', 'd', 'e']);
  expect(texts('least')).toEqual(
    some.responses.flatMap(({ text }, i) => (poolOf(some.responses, filter)[i] ? [text] : [])),
  );
  expect(texts('most')).toEqual(['b', 'c', 'd', 'f']);
  expect(new Set(texts('random')).size).toBe(4);
  expect(texts('random')).not.toContain('');
  // A marked answer goes, and no other moves up.
  const marked = some.responses.map((r) => (r.text === 'f' ? { ...r, excluded: true } : r));
  expect(texts('most', marked)).toEqual(['b', 'c', 'd']);
});

test('what is drawn is what a run draws, is nested over k, and asks for as many as it needs', () => {
  const filter = { mode: 'lastdedup', percent: 75 } as const;
  const draw = (k: number, needs?: { atLeast: number }) =>
    drawOf(some, filter, k, { source: 'own', ...(needs && { needs: { filter, ...needs } }) }, 7);
  const one = drawNegatives([some], filter, 4, 7);
  expect(draw(4).pairs).toEqual(one.pairs);
  const drawn = [1, 2, 4].map((k) => new Set(draw(k).pairs.map(({ response }) => response)));
  expect(drawn.map(({ size }) => size)).toEqual([1, 2, 4]);
  for (const [i, set] of drawn.entries())
    for (const r of set) expect(drawn[i + 1]?.has(r) ?? true).toBe(true);
  // Six are different, of which five are left.
  expect(draw(1).pool.length).toBe(5);
  expect(draw(1, { atLeast: 5 }).pairs.length).toBe(1);
  expect(draw(1, { atLeast: 6 }).pairs).toEqual([]);
  expect(draw(6).pairs).toEqual([]);
});

test('SFT at equal compute: three units a trained token, one a sampled or scored one', () => {
  const rows = [
    { promptIds: [1, 2, 3], targetIds: [4, 5] },
    { promptIds: [1], targetIds: [2, 3, 4, 5] },
  ];
  expect(targetTokens(rows)).toBe(10);
  const way = [
    { trained: 20, sampled: 0, scored: 0 },
    { trained: 0, sampled: 44, scored: 10 },
    { trained: 62, sampled: 0, scored: 0 },
  ];
  // 3 x 82 + 44 + 10
  expect(unitsOf(way)).toBe(300);
  // An epoch costs 3 x 10.
  expect(equalEpochs(way, rows)).toBe(10);
});
