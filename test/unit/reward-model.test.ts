/** Reward models against the same function in plain loops, over the tokens that their tokenizers give. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { folder } from '../../scripts/lib/native.ts';
import { openEmbedder } from '../../src/engine/embedder.ts';
import { openRewardModel } from '../../src/engine/reward-model.ts';
import { loadTokenizer } from '../../src/engine/tokenizer.ts';
import { type FileSource, wholeFiles } from '../../src/model/files.ts';
import { isClassifier, readRewardConfig, scorer } from '../../src/model/reward-config.ts';
import { chatReward, pairReward, type RewardFixture } from '../fixtures/reward-models.ts';
import { type Pair, pairsOf, rewardSuite } from '../fixtures/reward-suite.ts';

const page = (name: string) => folder(fileURLToPath(new URL(`../../public/models/${name}`, import.meta.url)));
const EMBEDDER = page('default-embedder');
const MODEL = page('default-lm');

describe('in Node', () => rewardSuite(() => ({ embedder: EMBEDDER, model: MODEL })));

/** Ids of words by the vocabulary itself: the words of these tests are whole tokens, or none at all. */
async function wordIds(): Promise<(text: string) => number[]> {
  const json: unknown = JSON.parse(
    new TextDecoder().decode((await EMBEDDER.read('tokenizer.json')) ?? undefined),
  );
  const { vocab } = (json as { model: { vocab: Record<string, number> } }).model;
  return (text) =>
    text
      .split(/\s+/)
      .filter((word) => word !== '')
      .map((word) => {
        const id = vocab[word];
        if (id === undefined) throw new Error(`no token ${word}`);
        return id;
      });
}

const words = wordIds();
const CLS = 2;

/** What a pair's tokens should be, [CLS] prompt answer: the oldest of the prompt go, then the last of the answer. */
async function pairTokens({ messages, answer }: Pair, most: number): Promise<[number[], number[]]> {
  const ids = await words;
  const theirs = ids(answer).slice(0, most - 1);
  const asked = ids(messages.map(({ content }) => content).join(' '));
  const prompt = asked.slice(Math.max(0, asked.length + theirs.length + 1 - most));
  return [
    [CLS, ...prompt, ...theirs],
    [0, ...prompt.map(() => 0), ...theirs.map(() => 1)],
  ];
}

const near = (score: number | undefined, expected: number | undefined) =>
  expect(Math.abs((score ?? Number.NaN) - (expected ?? 0))).toBeLessThan(
    1e-4 * Math.max(1, Math.abs(expected ?? 0)),
  );

describe('pairs of texts', () => {
  test('one label: its logit, of prompt and answer in their places', async () => {
    const { source, logits } = pairReward(EMBEDDER);
    const model = await openRewardModel({ source });
    const pairs = [...pairsOf(30, 60), ...turned(pairsOf(3, 60))];
    const scores = await model.score(pairs);
    for (const [i, pair] of pairs.entries()) {
      const [ids, types] = await pairTokens(pair, 512);
      near(scores[i], logits(ids, types)[0]);
    }
    // Prompt and answer matter both.
    expect(new Set(scores.map((score) => score.toFixed(6))).size).toBeGreaterThan(20);
  });

  test('what is too long loses the oldest of the prompt, then the last of the answer', async () => {
    const { source, logits } = pairReward(EMBEDDER, { config: { max_position_embeddings: 12 } });
    const model = await openRewardModel({ source });
    const pairs = pairsOf(40, 40);
    const scores = await model.score(pairs);
    let [cut, answerCut] = [0, 0];
    for (const [i, pair] of pairs.entries()) {
      const [ids, types] = await pairTokens(pair, 12);
      const whole = await pairTokens(pair, 512);
      expect(ids.length).toBeLessThanOrEqual(12);
      if (whole[0].length > 12) cut++;
      if (pair.answer.split(' ').length > 11) answerCut++;
      near(scores[i], logits(ids, types)[0]);
    }
    expect(cut).toBeGreaterThan(10);
    expect(answerCut).toBeGreaterThan(3);
  });

  test.each([
    ['the second is the good one', { 0: 'LABEL_0', 1: 'LABEL_1' }, 1],
    ['unless the first is called positive', { 0: 'POSITIVE', 1: 'NEGATIVE' }, 0],
    ['where they have no names too', undefined, 1],
  ])('two labels: %s', async (_, id2label, good) => {
    const { source, logits } = pairReward(EMBEDDER, { labels: 2, config: { id2label } });
    const model = await openRewardModel({ source });
    const pairs = pairsOf(8, 30);
    const scores = await model.score(pairs);
    for (const [i, pair] of pairs.entries()) {
      const own = logits(...(await pairTokens(pair, 512)));
      near(scores[i], (own[good] ?? 0) - (own[1 - good] ?? 0));
    }
  });

  test('the same words are another pair where the prompt ends elsewhere', async () => {
    const { source, logits } = pairReward(EMBEDDER);
    const model = await openRewardModel({ source });
    const pairs = ['the river|runs slowly', 'the river runs|slowly', '|the river runs slowly'].map((text) => {
      const [content = '', answer = ''] = text.split('|');
      return { messages: [{ role: 'user' as const, content }], answer };
    });
    const scores = await model.score(pairs);
    expect(new Set(scores).size).toBe(3);
    for (const [i, pair] of pairs.entries()) near(scores[i], logits(...(await pairTokens(pair, 512)))[0]);
  });

  test('turns before the prompt are read too', async () => {
    const model = await openRewardModel({ source: pairReward(EMBEDDER).source });
    const messages = [
      { role: 'system', content: 'the river' },
      { role: 'user', content: 'runs slowly' },
    ] as const;
    const [scored, joined] = await model.score([
      { messages, answer: 'past a mill' },
      { messages: [{ role: 'user', content: 'the river runs slowly' }], answer: 'past a mill' },
    ]);
    expect(scored).toBe(joined);
  });
});

const turned = (pairs: readonly Pair[]): Pair[] =>
  pairs.map(({ messages: [message], answer }) => ({
    messages: [{ role: 'user', content: answer }],
    answer: message?.content ?? '',
  }));

describe('conversations', () => {
  test.each([
    ['padded', 0],
    ['one by one, where the model does not know its padding', null],
  ])('by the chat template, with the answer’s end and no generation prompt: %s', async (_, pad_token_id) => {
    const { source, logits } = chatReward(MODEL, { config: { pad_token_id } });
    const model = await openRewardModel({ source });
    const tokenizer = await loadTokenizer(MODEL, 1792);
    const pairs = pairsOf(30, 30).map((pair, i) =>
      i % 3 === 0
        ? {
            ...pair,
            messages: [
              { role: 'user' as const, content: 'hello' },
              { role: 'assistant' as const, content: 'hi' },
              ...pair.messages,
            ],
          }
        : pair,
    );
    const scores = await model.score(pairs);
    for (const [i, { messages, answer }] of pairs.entries()) {
      const ids = [...tokenizer.renderPrompt(messages).ids, ...tokenizer.encodeTarget(answer)];
      if (ids.length <= 128) near(scores[i], logits(ids, [])[0]);
    }
  });

  test('a long one keeps its first token and its end', async () => {
    const { source, logits } = chatReward(MODEL, { config: { max_position_embeddings: 16 } });
    const model = await openRewardModel({ source });
    const tokenizer = await loadTokenizer(MODEL, 1792);
    for (const { messages, answer } of pairsOf(12, 40)) {
      const ids = [...tokenizer.renderPrompt(messages).ids, ...tokenizer.encodeTarget(answer)];
      const kept = ids.length <= 16 ? ids : [ids[0] ?? 0, ...ids.slice(-15)];
      near((await model.score([{ messages, answer }]))[0], logits(kept, [])[0]);
    }
  });
});

describe('what is no reward model', () => {
  const opened = (source: FileSource) => openRewardModel({ source });
  const lacking = ({ source }: RewardFixture, lost: string) =>
    wholeFiles('lacking', async (path) => (path === lost ? null : source.read(path)));

  test.each([
    [
      'a language model',
      () => MODEL,
      /default-lm: config\.json says LlamaForCausalLM, which gives no scores/,
    ],
    ['an embedder', () => EMBEDDER, /says BertModel, which gives no scores/],
    [
      'three labels',
      () =>
        pairReward(EMBEDDER, { labels: 3, config: { id2label: { 0: 'no', 1: 'maybe', 2: 'yes' } } }).source,
      /has 3 labels \(no, maybe, yes\)/,
    ],
    [
      'no ONNX file',
      () => lacking(pairReward(EMBEDDER), 'onnx/model.onnx'),
      /lacking: the file onnx\/model\.onnx is missing/,
    ],
    ['no tokenizer', () => lacking(pairReward(EMBEDDER), 'tokenizer.json'), /tokenizer\.json is missing/],
    ['no config', () => lacking(pairReward(EMBEDDER), 'config.json'), /config\.json is missing/],
    [
      'vectors a token',
      () =>
        wholeFiles('odd', async (path) =>
          path === 'config.json' ? new TextEncoder().encode('{"model_type":"bert"}') : EMBEDDER.read(path),
        ),
      /odd gives no logits of a row a text/,
    ],
    [
      'a broken ONNX file',
      () =>
        wholeFiles('broken', async (path) =>
          path === 'onnx/model.onnx' ? new Uint8Array(9) : pairReward(EMBEDDER).source.read(path),
        ),
      /the reward model "broken" can't be loaded/,
    ],
  ])('%s', async (_, source, message) => {
    await expect(opened(source())).rejects.toThrow(message);
  });

  test('a chat template that is none is told of', async () => {
    const { source } = chatReward(MODEL);
    const bad = wholeFiles('bad', async (path) =>
      path === 'chat_template.jinja' ? new TextEncoder().encode('{% for %}') : source.read(path),
    );
    await expect(opened(bad)).rejects.toThrow(/bad: the chat template/);
  });
});

test('an embedder and a reward model load side by side', async () => {
  const [embedder, model] = await Promise.all([
    openEmbedder({ source: EMBEDDER, pooling: 'auto' }),
    openRewardModel({ source: pairReward(EMBEDDER).source }),
  ]);
  expect(embedder.info.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(model.info.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(model.info.name).toBe('small-reward');
  const other = await openRewardModel({ source: pairReward(EMBEDDER, { labels: 2 }).source });
  expect(other.info.fingerprint).not.toBe(model.info.fingerprint);
});

test('an aborted signal ends the scoring', async () => {
  const model = await openRewardModel({ source: pairReward(EMBEDDER).source });
  const reason = new Error('stopped');
  await expect(model.score(pairsOf(5, 20), AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('what config.json says', () => {
  expect(isClassifier({ architectures: ['Qwen2ForSequenceClassification'] })).toBe(true);
  for (const other of [
    {},
    null,
    [],
    { architectures: 'BertForSequenceClassification' },
    { architectures: ['BertModel'] },
  ])
    expect(isClassifier(other)).toBe(false);
  expect(
    readRewardConfig('m', {
      model_type: 'roberta',
      pad_token_id: 1,
      max_position_embeddings: 514,
      type_vocab_size: 1,
    }),
  ).toEqual({
    modelType: 'roberta',
    labels: [],
    padId: 1,
    hasTypes: false,
    positions: 512,
  });
  expect(
    readRewardConfig('m', {
      id2label: { 10: 'k', 2: 'c' },
      pad_token_id: -1,
      max_position_embeddings: 'many',
    }),
  ).toMatchObject({
    labels: ['c', 'k'],
    padId: null,
    positions: null,
  });
  expect(() => readRewardConfig('m', 3)).toThrow('m: config.json is not a JSON object');
  expect(() => scorer('m', [], 5)).toThrow('m has 5 labels; which of them is better is not known');
});
