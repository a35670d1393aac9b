/** Answers that may be false negatives: the pool's most similar, each text once, with what is known of them. */
import { expect, test } from 'vitest';
import { suspectsOf } from '../../src/lab/suspects.ts';
import { planWork } from '../../src/lab/work.ts';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { makeDataset } from '../../src/pipeline/dataset.ts';
import { promptKey } from '../../src/pipeline/prepare.ts';
import type { DataRow, ResponseRecord, TokenizedRow } from '../../src/pipeline/types.ts';
import { labManifest, memoryLab } from '../fixtures/memory-lab.ts';

const rows: readonly (DataRow & { target: string })[] = [
  { prompt: 'one', target: '1', grader: { kind: 'number', value: 1 } },
  { prompt: 'two', target: '2' },
];
const data = await makeDataset('d', rows);
const tokenized = rows.map((row): TokenizedRow => ({ ...row, promptIds: [1], targetIds: [2] }));

const answer = (text: string, similarity: number): ResponseRecord => ({
  ...{ text, similarity, tokenIds: [1], logp: -1, stopped: true },
});

/** A lab whose own answers are there; the filter keeps all but the most similar of each prompt. */
async function lab(state: 'running' | 'done', marks: readonly { prompt: string; text: string }[] = []) {
  const config = { ...defaultConfig(), filter: { mode: 'lastdedup', percent: 100 } as const };
  const arms = [
    {
      id: 'k',
      name: 'k',
      policy: { kind: 'dpo', from: { kind: 'sft' }, negatives: { source: 'own' } } as const,
    },
  ];
  const manifest = labManifest(config, { arms, marks });
  const work = planWork(manifest, data.fingerprint).works.find(({ kind }) => kind === 'answers');
  if (work === undefined) throw new Error('expected a piece of answers');
  const piece = { key: work.key, kind: work.kind, label: '', seed: 1, state, seconds: 1, figures: {} };
  const store = memoryLab({ ...manifest, pieces: { [work.key]: piece } }, data);
  const [dataKey = ''] = work.needs;
  await store.piece(dataKey).savePrepared({ train: tokenized, heldOut: [], refused: [] });
  await store.piece(work.key).saveResponses([
    {
      index: 0,
      responses: [answer('1', 0.99), answer('it is 1', 0.8), answer('it is 1', 0.8), answer('3', 0.1)],
    },
    { index: 1, responses: [answer('2', 0.95), answer('22', 0.9), answer('', 0.97)] },
  ]);
  return store;
}

test('the most similar of the pool come first, across prompts, graded where the row has a grader', async () => {
  const store = await lab('done');
  const shown = (await suspectsOf(store, data.fingerprint, 9)).map(({ key: _key, ...rest }) => rest);
  expect(shown).toEqual([
    { prompt: 'two', target: '2', text: '22', similarity: 0.9, marked: false },
    { prompt: 'one', target: '1', text: 'it is 1', similarity: 0.8, correct: true, marked: false },
    { prompt: 'one', target: '1', text: '3', similarity: 0.1, correct: false, marked: false },
  ]);
  expect(await suspectsOf(store, data.fingerprint, 1)).toMatchObject([{ text: '22' }]);
});

test('a marked answer stays on the list, so that its mark can be taken back', async () => {
  const [, two] = rows;
  if (two === undefined) throw new Error('expected two rows');
  const store = await lab('done', [{ prompt: promptKey(two), text: '22' }]);
  const [first, second] = await suspectsOf(store, data.fingerprint, 2);
  expect(first).toMatchObject({ key: promptKey(two), text: '22', marked: true });
  expect(second).toMatchObject({ text: 'it is 1', marked: false });
});

test('there are none before the answers are compared', async () => {
  expect(await suspectsOf(await lab('running'), data.fingerprint, 9)).toEqual([]);
});
