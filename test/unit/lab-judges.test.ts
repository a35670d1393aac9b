/** Questions that tell nothing of the arms, verdicts from files, and what is made of them. */
import { describe, expect, test } from 'vitest';
import { beginBlind, blindKey, chooseBlind, undoBlind } from '../../src/lab/judges/blind.ts';
import { allKeys, askComparisons, questionsFile } from '../../src/lab/judges/comparisons.ts';
import { duels } from '../../src/lab/judges/duels.ts';
import { readVerdicts } from '../../src/lab/judges/verdicts.ts';
import type { ArmAnswers, Choice, ComparisonKey, Verdict } from '../../src/lab/types.ts';

const PROMPTS = 40;
const heldOut = Array.from({ length: PROMPTS }, (_, i) => ({ prompt: `Question ${i}?` }));

/** Two samples a prompt and seed; every fourth prompt has one answer, whoever gives it. */
function answersOf(arm: string, seeds: readonly number[] = [1, 2], note = ''): ArmAnswers[] {
  return seeds.map((seed) => ({
    arm,
    seed,
    records: heldOut.map((_, index) => ({
      arm: 'selfContrast' as const,
      index,
      answers: [0, 1].map((sample) => ({
        text: index % 4 === 0 ? `all say ${index}` : `${index} ${arm} ${seed} ${sample}${note}`,
        tokens: 3,
      })),
    })),
  }));
}

const ANSWERS = [...answersOf('sft'), ...answersOf('k16'), ...answersOf('base')];
const ask = () => askComparisons(ANSWERS, heldOut, 'sft', 'k16', 5);

/** A judge that always likes the answers of one arm. */
const verdictsFor = (arm: string, keys: readonly ComparisonKey[], judge = 'file'): Verdict[] =>
  keys
    .filter(({ same }) => !same)
    .map(({ id, armA }): Verdict => ({ id, choice: armA === arm ? 'a' : 'b', judge, at: 1 }));

describe('comparisons', () => {
  test('pair the answers to one prompt, seed and sample; the same answers are not asked about', () => {
    const { comparisons, keys } = ask();
    expect(keys).toHaveLength(PROMPTS * 2 * 2);
    expect(keys.filter(({ same }) => same)).toHaveLength((PROMPTS / 4) * 2 * 2);
    expect(comparisons).toHaveLength((PROMPTS - PROMPTS / 4) * 2 * 2);
    expect(new Set(keys.filter(({ same }) => !same).map(({ id }) => id)).size).toBe(comparisons.length);
    const byId = new Map(keys.map((key) => [key.id, key] as const));
    for (const { id, prompt, a, b } of comparisons) {
      const key = byId.get(id);
      if (!key) throw new Error(`no key of ${id}`);
      const { armA, armB, seed, index, sample } = key;
      expect(prompt).toBe(`Question ${index}?`);
      expect(a).toBe(`${index} ${armA} ${seed} ${sample}`);
      expect(b).toBe(`${index} ${armB} ${seed} ${sample}`);
      expect([armA, armB].sort()).toEqual(['k16', 'sft']);
    }
  });

  test('an order that tells nothing: each arm is first in about half of them, whatever order they are named in', () => {
    const { comparisons, keys } = ask();
    const first = keys.filter(({ same, armA }) => !same && armA === 'sft').length;
    // 120 fair coins: 4 standard deviations.
    expect(Math.abs(first - 60)).toBeLessThan(22);
    const turned = askComparisons(ANSWERS, heldOut, 'k16', 'sft', 5);
    expect(turned).toEqual({ comparisons, keys });
    // Nor does an id's own last bit give the order away.
    const odd = keys.filter(
      ({ id, armA, same }) => !same && (Number.parseInt(id.slice(-1), 16) & 1) === 1 && armA === 'sft',
    );
    expect(Math.abs(odd.length - first / 2)).toBeLessThan(18);
    const other = askComparisons(ANSWERS, heldOut, 'sft', 'k16', 6).comparisons;
    expect(other).not.toEqual(comparisons);
    expect(new Set(other)).toEqual(new Set(comparisons));
    expect(comparisons.map(({ prompt }) => prompt).slice(0, 8)).not.toEqual(
      [...comparisons]
        .map(({ prompt }) => prompt)
        .sort()
        .slice(0, 8),
    );
    expect(questionsFile(comparisons)).not.toMatch(/armA|armB|seed|"sample"/);
  });

  test('a verdict stays with the texts it was given on', () => {
    const anew = [...answersOf('sft'), ...answersOf('k16', [1, 2], ' anew')];
    const ids = new Set(ask().comparisons.map(({ id }) => id));
    expect(askComparisons(anew, heldOut, 'sft', 'k16', 5).comparisons.some(({ id }) => ids.has(id))).toBe(
      false,
    );
  });

  test('the same two answers of several samples are one question', () => {
    const say = (arm: string): ArmAnswers => ({
      arm,
      seed: 1,
      records: [{ arm: 'sft', index: 0, answers: Array(3).fill({ text: arm, tokens: 1 }) }],
    });
    const { comparisons, keys } = askComparisons([say('x'), say('y')], heldOut, 'x', 'y', 1);
    expect([comparisons.length, keys.length]).toEqual([1, 3]);
    expect(duels(verdictsFor('y', keys.slice(0, 1)), keys)[0]).toMatchObject({ wins: 0, losses: 3 });
  });

  test('turns before the prompt are shown; arms that did not answer are not', () => {
    const history = [{ role: 'system' as const, content: 'Be brief.' }];
    const rows = heldOut.map((row) => ({ ...row, history }));
    const [one] = askComparisons(ANSWERS, rows, 'sft', 'k16', 5).comparisons;
    expect(one?.prompt).toMatch(/^system: Be brief\.\n\nuser: Question \d+\?$/);
    expect(askComparisons(ANSWERS, heldOut, 'sft', 'no-such-arm', 5).keys).toEqual([]);
    expect(askComparisons(ANSWERS, heldOut, 'sft', 'sft', 5).keys).toEqual([]);
  });

  test('the keys of all arms are those of every two', () => {
    const keys = allKeys(ANSWERS, heldOut);
    expect(keys).toHaveLength(3 * PROMPTS * 4);
    const all = new Set(keys.map(({ id }) => id));
    expect(ask().keys.every(({ id }) => all.has(id))).toBe(true);
  });
});

describe('verdicts from a file', () => {
  const { comparisons, keys } = ask();
  const ids = comparisons.map(({ id }) => id);
  const [x = '', y = '', z = ''] = ids;

  test('the questions come back as they went out', () => {
    const rows = questionsFile(comparisons)
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(rows).toEqual(comparisons);
    const lines = comparisons.map(({ id }) => JSON.stringify({ id, verdict: 'tie' })).join('\n');
    const { verdicts, refused } = readVerdicts(lines, keys, 'judge.jsonl', 7);
    expect(refused).toEqual([]);
    expect(verdicts).toEqual(ids.map((id) => ({ id, choice: 'tie', judge: 'judge.jsonl', at: 7 })));
  });

  const read = (text: string) => {
    const { verdicts, refused } = readVerdicts(text, keys, 'j', 1);
    return {
      verdicts: verdicts.map(({ id, choice }) => [id, choice]),
      refused: refused.map(({ line, reason }) => `${line}: ${reason}`),
    };
  };

  test.each([
    [
      'JSON Lines',
      `{"id":"${x}","verdict":"A"}\r\n\r\n{"id":"${y}","choice":" b "}\n{"id":"${z}","winner":"="}`,
    ],
    [
      'a JSON list',
      JSON.stringify([
        { id: x, verdict: 'a' },
        { id: y, verdict: 'B' },
        { id: z, verdict: 'draw' },
      ]),
    ],
    ['CSV', `id,verdict\n${x},a\n${y},B\n\n${z},tie\n`],
    ['CSV with other columns', `\ufeffwhy;ID;Verdict\r\n"two;\nlines";${x};a\r\n;"${y}";b\r\n;${z};equal`],
    ['TSV', `verdict\tid\na\t${x}\nb\t${y}\n=\t${z}`],
  ])('%s', (_, text) => {
    expect(read(text)).toEqual({
      verdicts: [
        [x, 'a'],
        [y, 'b'],
        [z, 'tie'],
      ],
      refused: [] as string[],
    });
  });

  test('unknown and repeated ids and bad choices are refused with their line, nothing else is', () => {
    const told = read(
      [
        `{"id":"${x}","verdict":"a"}`,
        '{"id":"nobody","verdict":"a"}',
        `{"id":"${x}","verdict":"b"}`,
        `{"id":"${y}","verdict":"both"}`,
        `{"id":"${y}`,
        '[1]',
        `{"id":"${y}"}`,
        '{"verdict":"a"}',
        `{"id":7,"verdict":"a"}`,
        `{"id":"${y}","verdict":"b"}`,
      ].join('\n'),
    );
    expect(told.verdicts).toEqual([
      [x, 'a'],
      [y, 'b'],
    ]);
    expect(told.refused.map((reason) => reason.slice(0, 40))).toEqual([
      '2: unknown id "nobody": no question of t',
      '3: the id is that of line 1, whose verdi',
      '4: the verdict should be a, b or tie, fo',
      `5: not JSON: {"id":"${y.slice(0, 20)}`,
      '6: expected an object with id and verdic',
      '7: no verdict; give a, b or tie',
      '8: no id',
      '9: the id should be a text, found 7',
    ]);
  });

  test('in CSV the lines are the file’s, texts with line ends included', () => {
    const told = read(`id,verdict,why\n${x},a,"one\ntwo\nthree"\nwho,a,\n${y},maybe,\n${z},b`);
    expect(told.verdicts).toEqual([
      [x, 'a'],
      [z, 'b'],
    ]);
    expect(told.refused.map((reason) => reason.slice(0, 21))).toEqual(
      ['5: unknown id "who": n', '6: the verdict should '].map((s) => s.slice(0, 21)),
    );
  });

  test('answers that are the same were never asked about', () => {
    const same = keys.find((key) => key.same);
    expect(read(`{"id":"${same?.id}","verdict":"a"}`).refused).toHaveLength(1);
  });

  test.each(['', ' \n\n', 'hello\nthere', 'id,score\nx,1', `${x},a`])('no file of verdicts: %j', (text) => {
    expect(() => read(text)).toThrow(/file of verdicts .*CSV with a first row id,verdict/);
  });
});

describe('duels', () => {
  const { keys } = ask();
  const asked = keys.filter(({ same }) => !same);

  test('the later arm against the earlier, ties half, Wilson’s interval', () => {
    const [duel, ...others] = duels(verdictsFor('k16', keys), keys, ['base', 'sft', 'k16']);
    expect(others).toEqual([]);
    expect(duel).toMatchObject({ judge: 'file', armA: 'k16', armB: 'sft', wins: 120, ties: 40, losses: 0 });
    const { value, low, high, n, seeds, method } = duel?.winRate ?? {};
    expect([value, n, seeds, method]).toEqual([140 / 160, 160, 2, 'wilson']);
    // Wilson's interval of 140 of 160, by its formula.
    expect(low).toBeCloseTo(0.81481, 5);
    expect(high).toBeCloseTo(0.91761, 5);
    expect(duels(verdictsFor('k16', keys), keys, ['k16', 'sft'])[0]).toMatchObject({
      armA: 'sft',
      wins: 0,
      losses: 120,
    });
  });

  test('a judge who has answered a quarter has a quarter of the ties', () => {
    const some = verdictsFor('k16', asked.slice(0, 30));
    expect(duels(some, keys, ['sft', 'k16'])[0]).toMatchObject({ wins: 30, ties: 10, losses: 0 });
  });

  test('judges and pairs of arms apart; verdicts on unknown questions are left out', () => {
    const all = allKeys(ANSWERS, heldOut);
    const verdicts = [
      ...verdictsFor('k16', asked, 'one'),
      ...asked.map(({ id }): Verdict => ({ id, choice: 'tie', judge: 'two', at: 1 })),
      ...verdictsFor('base', askComparisons(ANSWERS, heldOut, 'base', 'sft', 1).keys, 'two'),
      { id: 'unknown', choice: 'a' as Choice, judge: 'three', at: 1 },
    ];
    const found = duels(verdicts, all, ['base', 'sft', 'k16']);
    expect(found.map(({ judge, armA, armB, winRate }) => [judge, armA, armB, winRate.value])).toEqual([
      ['one', 'k16', 'sft', 0.875],
      ['two', 'k16', 'sft', 0.5],
      ['two', 'sft', 'base', 0.125],
    ]);
  });
});

describe('blind A/B', () => {
  const comparisons = ask().comparisons.slice(0, 5);
  const ids = comparisons.map(({ id }) => id);

  test('choices in turn, undo as far as they go, and on from there', () => {
    let blind = beginBlind(comparisons, []);
    for (const [i, choice] of (['a', 'b', 'tie'] as const).entries()) {
      const next = chooseBlind(blind, choice, 10 + i);
      expect(next.verdict).toEqual({ id: ids[i], choice, judge: 'you', at: 10 + i });
      blind = next.blind;
    }
    expect([blind.judged.length, blind.queue.length]).toEqual([3, 2]);
    const back = undoBlind(blind);
    expect(back.verdict?.id).toBe(ids[2]);
    expect(back.blind.queue[0]?.id).toBe(ids[2]);
    const all = undoBlind(undoBlind(back.blind).blind).blind;
    expect(all).toEqual(beginBlind(comparisons, []));
    expect(undoBlind(all)).toEqual({ blind: all, verdict: null });
  });

  test('stored verdicts are gone on from, and undone in the order they were given', () => {
    const stored: Verdict[] = [
      { id: ids[3] ?? '', choice: 'a', judge: 'you', at: 5 },
      { id: ids[0] ?? '', choice: 'b', judge: 'you', at: 9 },
      { id: ids[1] ?? '', choice: 'b', judge: 'judge.jsonl', at: 9 },
      { id: 'of other arms', choice: 'b', judge: 'you', at: 9 },
    ];
    const blind = beginBlind(comparisons, stored);
    expect(blind.queue.map(({ id }) => id)).toEqual([ids[1], ids[2], ids[4]]);
    expect(undoBlind(blind).verdict).toEqual(stored[1]);
    expect(undoBlind(undoBlind(blind).blind).verdict).toEqual(stored[0]);
  });

  test('nothing to choose at the end', () => {
    const blind = beginBlind([], []);
    expect(chooseBlind(blind, 'a', 1)).toEqual({ blind, verdict: null });
  });

  test('keys', () => {
    expect(['a', 'B', 'ArrowRight', 'ArrowDown', '=', 'u', 'Backspace', 'x', 'Enter'].map(blindKey)).toEqual([
      'a',
      'b',
      'b',
      'tie',
      'tie',
      'undo',
      'undo',
      null,
      null,
    ]);
  });
});
