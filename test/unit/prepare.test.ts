import { describe, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/engine/types.ts';
import { ChatTemplateError } from '../../src/model/chat.ts';
import { defaultConfig } from '../../src/pipeline/config.ts';
import { makeDataset, readDataset } from '../../src/pipeline/dataset.ts';
import { prepareData, splitHeldOut } from '../../src/pipeline/prepare.ts';

/** One token a character; 0 ends a target. */
const tokenizer: Tokenizer = {
  vocabSize: 256,
  stopIds: [0],
  eosId: 0,
  hasChatTemplate: false,
  renderPrompt: ([message]) => ({
    text: message?.content ?? '',
    ids: [...(message?.content ?? '')].map((c) => c.charCodeAt(0)),
  }),
  encodeTarget: (target) => [...[...target].map((c) => c.charCodeAt(0)), 0],
  decode: (ids) => String.fromCharCode(...ids),
  pieces: (ids) => ids.map(String),
};

const rows = Array.from({ length: 20 }, (_, i) => ({ prompt: `p${i % 10}`, target: `t${i}` }));
const config = (data: Partial<ReturnType<typeof defaultConfig>['data']>) => ({
  seed: 1,
  data: { ...defaultConfig().data, ...data },
});

describe('splitHeldOut', () => {
  test('a prompt is never on both sides, and nothing is lost', () => {
    for (const share of [0.3, 3]) {
      const { train, heldOut } = splitHeldOut({ rows }, share, 1);
      const held = new Set(heldOut.map((r) => r.prompt));
      expect(held.size).toBe(3);
      expect(train.some((r) => held.has(r.prompt))).toBe(false);
      expect(train.length + heldOut.length).toBe(20);
      expect(train).toEqual(rows.filter((r) => !held.has(r.prompt)));
    }
  });

  test('depends on the seed alone', () => {
    const prompts = (seed: number) =>
      splitHeldOut({ rows }, 3, seed)
        .heldOut.map((r) => r.prompt)
        .join();
    expect(prompts(1)).toBe(prompts(1));
    expect(new Set([1, 2, 3, 4].map(prompts)).size).toBeGreaterThan(1);
  });

  test('0 holds out nothing; a small share at least one prompt, as long as one is left', () => {
    expect(splitHeldOut({ rows }, 0, 1)).toEqual({ train: rows, heldOut: [] });
    expect(splitHeldOut({ rows }, 0.01, 1).heldOut).toHaveLength(2);
    expect(splitHeldOut({ rows: rows.slice(0, 1) }, 0.1, 1).train).toHaveLength(1);
    expect(() => splitHeldOut({ rows }, 10, 1)).toThrow(
      'data.heldOut = 10 holds out 10 of 10 different prompts',
    );
  });

  test("the data set's own held-out rows win, and their prompts never train", () => {
    const heldOut = [
      { prompt: 'p1', target: 'x' },
      { prompt: 'q', target: 'y' },
    ];
    const split = splitHeldOut({ rows, heldOut }, 0.1, 1);
    expect(split.heldOut).toEqual(heldOut);
    expect(split.train.map((r) => r.prompt)).not.toContain('p1');
    expect(split.train).toHaveLength(18);
    expect(splitHeldOut({ rows, heldOut }, 1, 1).heldOut).toHaveLength(1);
    expect(splitHeldOut({ rows, heldOut }, 0, 1).heldOut).toEqual([]);
  });
});

describe('prepareData', () => {
  test('tokenises, and refuses what does not fit the context, with its numbers', async () => {
    const dataset = await makeDataset('d', [
      { prompt: 'ab', target: 'c' },
      { prompt: 'abc', target: 'de' },
    ]);
    const prepared = prepareData(dataset, tokenizer, 5, config({ heldOut: 0 }));
    expect(prepared.train).toEqual([{ prompt: 'ab', target: 'c', promptIds: [97, 98], targetIds: [99, 0] }]);
    expect(prepared.refused).toEqual([
      { line: 2, reason: "6 tokens (prompt 3, target 3) are more than the model's context of 5" },
    ]);
    expect(() => prepareData(dataset, tokenizer, 5, config({ heldOut: 0, onBadRow: 'stop' }))).toThrow(
      'line 2: 6 tokens',
    );
    expect(() => prepareData(dataset, tokenizer, 3, config({ heldOut: 0 }))).toThrow(
      'no row is left to train on',
    );
  });

  test('a refused row is told by the line that it has in its file', async () => {
    const dataset = await readDataset(
      'd.jsonl',
      ['', 'nonsense', '{"prompt": "ab", "target": "c"}', '', '{"prompt": "abcdef", "target": "c"}'].join(
        '\n',
      ),
    );
    const { refused } = prepareData(dataset, tokenizer, 5, config({ heldOut: 0 }));
    expect(refused.map(({ line }) => line)).toEqual([2, 5]);
  });

  test('rows without a target are held out, and need room to answer', async () => {
    const dataset = await makeDataset('d', [
      { prompt: 'ab', target: 'c' },
      { prompt: 'abc' },
      { prompt: 'abcde' },
    ]);
    const { heldOut, refused } = prepareData(dataset, tokenizer, 5, config({ heldOut: 1 / 2 }));
    expect(heldOut).toEqual([{ prompt: 'abc', promptIds: [97, 98, 99] }]);
    expect(refused).toEqual([
      { line: 3, reason: "the prompt fills the model's context of 5 tokens, which leaves no room to answer" },
    ]);
  });

  test('a row that the chat template refuses is refused; a template that refuses all rows is an error', async () => {
    const picky = (letter: string): Tokenizer => ({
      ...tokenizer,
      renderPrompt(messages) {
        if (messages[0]?.content.startsWith(letter)) throw new ChatTemplateError('System role not supported');
        return tokenizer.renderPrompt(messages);
      },
    });
    const dataset = await makeDataset('d', [{ prompt: 'xyz', target: 'a' }, ...rows]);
    const { train, refused } = prepareData(dataset, picky('x'), 20, config({ heldOut: 0 }));
    expect(train).toHaveLength(20);
    expect(refused).toEqual([{ line: 1, reason: 'System role not supported' }]);
    expect(() => prepareData(dataset, picky(''), 20, config({ heldOut: 0 }))).toThrow(ChatTemplateError);
  });

  test('a limit takes as many rows that fit, from anywhere, in their order', async () => {
    const long = rows.map((r, i) => (i % 2 ? r : { ...r, target: 'x'.repeat(50) }));
    const dataset = await makeDataset('d', long);
    const { train } = prepareData(dataset, tokenizer, 20, config({ heldOut: 0, limit: 4 }));
    const places = train.map((r) => long.findIndex((l) => l.target === r.target));
    expect(places).toHaveLength(4);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(prepareData(dataset, tokenizer, 20, config({ heldOut: 0, limit: 100 })).train).toHaveLength(10);
  });
});

test('with nothing held out, a prompt that is also only asked still trains', () => {
  const mixed = [{ prompt: 'a', target: 'x' }, { prompt: 'a' }, { prompt: 'b', target: 'y' }];
  expect(splitHeldOut({ rows: mixed }, 0, 1)).toEqual({ train: [mixed[0], mixed[2]], heldOut: [] });
  expect(splitHeldOut({ rows: [...mixed, { prompt: 'c', target: 'z' }] }, 1, 1).train).toHaveLength(1);
});
