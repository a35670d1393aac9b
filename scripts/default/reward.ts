/**
 * Writes a small reward model of the default domain, in the layout of a classifier of sequences with one label.
 *
 * npx tsx scripts/default/reward.ts [--questions 60000] [--epochs 4] [--seed 1] [--leave-out]
 *   [--out public/models/default-reward]
 *
 * It is a logistic regression on which words of an answer come with which words of its question, with the pairs' weights
 * factorised (Rendle 2010, Factorization Machines, ICDM): a vector for each word of a question and one for each word of
 * an answer, their products summed, and a weight for each word of an answer. It knows no order, so it can't tell who
 * has what. It is taught with right and careless answers of this folder's generator, to whatever it asks: like the
 * graders a judge should know the answers, and no policy is trained on its scores. With --leave-out it is not taught the
 * questions of the splits that are held out, which shows how much of its worth is knowing them.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { encodeModel } from '../../src/graph/encode.ts';
import { Graph, type Value } from '../../src/graph/index.ts';
import { shuffle, stream } from '../../src/model/random.ts';
import { folder } from '../lib/native.ts';
import { ask, type Question } from './questions.ts';
import { Rng } from './rng.ts';
import { splitsOf } from './splits.ts';

const folderOf = (name: string) => fileURLToPath(new URL(`../../public/models/${name}`, import.meta.url));
const EMBEDDER = folderOf('default-embedder');
const { values } = parseArgs({
  options: {
    questions: { type: 'string', default: '60000' },
    epochs: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
    'leave-out': { type: 'boolean', default: false },
    out: { type: 'string', default: folderOf('default-reward') },
  },
});
const seed = Number(values.seed);
/** Numbers a word's vector. */
const WIDTH = 24;
/** AdaGrad's rate (Duchi et al. 2011), and the pull of every weight that is used towards zero. */
const RATE = 0.1;
const DECAY = 1e-5;
/** Words met so often in teaching are known; all others are one, as misspelt ones are. */
const KNOWN = 5;

const source = folder(EMBEDDER);
const json = async (name: string) =>
  JSON.parse(new TextDecoder().decode((await source.read(name)) ?? new Uint8Array()));

interface Taught {
  readonly prompt: string;
  readonly right: string;
  readonly careless: string;
}

const taughtOf = ({ prompt, target, careless }: Question): Taught => ({ prompt, right: target, careless });

/** Questions of the splits that nobody trains on. */
const kept = splitsOf()
  .filter(({ name }) => name !== 'train')
  .flatMap(({ rows }) => rows);

function lessonsOf(rng: Rng, count: number): Taught[] {
  // A question has one key however it is phrased.
  const keys = new Set(values['leave-out'] ? kept.map(({ key }) => key) : []);
  const list: Taught[] = [];
  while (list.length < count) {
    const question = ask(rng);
    if (!keys.has(question.key)) list.push(taughtOf(question));
  }
  return list;
}

const lessons = lessonsOf(new Rng(seed), Number(values.questions));
const tokenizerJson = await reduced();
const vocabulary = Object.keys(tokenizerJson.model.vocab).length;
const tokenizer = new PreTrainedTokenizer(tokenizerJson, await json('tokenizer_config.json'));
const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false });
/** What the tokenizer writes before a pair, of the prompt's type. */
const [cls = 0] = tokenizer.encode('', { add_special_tokens: true });

/** The embedder's tokenizer with the words of the lessons alone, the special tokens first as they were. */
async function reduced() {
  const whole = await json('tokenizer.json');
  const full = new PreTrainedTokenizer(whole, await json('tokenizer_config.json'));
  const met = new Map<string, number>();
  for (const { prompt, right, careless } of lessons)
    for (const token of full.tokenize(`${prompt} ${right} ${careless}`))
      met.set(token, (met.get(token) ?? 0) + 1);
  const words = Object.keys(whole.model.vocab).filter(
    (word) => word.startsWith('[') || (met.get(word) ?? 0) >= KNOWN,
  );
  const vocab = Object.fromEntries(words.map((word, i) => [word, i]));
  const added = whole.added_tokens.map((token: { content: string }) => ({
    ...token,
    id: vocab[token.content],
  }));
  return { ...whole, added_tokens: added, model: { ...whole.model, vocab } };
}

interface Example {
  readonly prompt: Uint16Array;
  readonly answer: Uint16Array;
  /** 1 for a right answer, -1 for a careless one. */
  readonly label: number;
}

function examples(list: readonly Taught[]): Example[] {
  return list.flatMap(({ prompt, right, careless }) => {
    const asked = Uint16Array.from([cls, ...encode(prompt)]);
    return [
      { prompt: asked, answer: Uint16Array.from(encode(right)), label: 1 },
      { prompt: asked, answer: Uint16Array.from(encode(careless)), label: -1 },
    ];
  });
}

/** Weights [vocabulary, width] with AdaGrad's sums of squares. */
class Weights {
  readonly data: Float32Array;
  private readonly squares: Float32Array;

  constructor(
    readonly width: number,
    scale: number,
    label: string,
  ) {
    const random = stream(seed, label);
    this.data = Float32Array.from({ length: vocabulary * width }, () => scale * (random() - 0.5));
    this.squares = new Float32Array(this.data.length).fill(1e-3);
  }

  sum(list: Uint16Array): Float64Array {
    const total = new Float64Array(this.width);
    for (const row of list)
      for (let i = 0; i < this.width; i++)
        total[i] = (total[i] ?? 0) + (this.data[row * this.width + i] ?? 0);
    return total;
  }

  /** One step down for every row of a list, all with the same gradient. */
  step(list: Uint16Array, gradient: (i: number) => number): void {
    for (const row of list) {
      for (let i = 0; i < this.width; i++) {
        const at = row * this.width + i;
        const slope = gradient(i) + DECAY * (this.data[at] ?? 0);
        this.squares[at] = (this.squares[at] ?? 0) + slope * slope;
        this.data[at] = (this.data[at] ?? 0) - (RATE * slope) / Math.sqrt(this.squares[at] ?? 1);
      }
    }
  }
}

const taught = examples(lessons);
const held = examples(kept.map(taughtOf));
const prompts = new Weights(WIDTH, 0.3, 'prompts');
const answers = new Weights(WIDTH, 0.3, 'answers');
const alone = new Weights(1, 0, 'alone');

const dot = (x: Float64Array, y: Float64Array): number =>
  x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
/** As the graph has it: the products are spread over the answer's words. */
function score({ prompt, answer }: Pick<Example, 'prompt' | 'answer'>): number {
  const products = dot(prompts.sum(prompt), answers.sum(answer));
  return (alone.sum(answer)[0] ?? 0) + products / Math.sqrt(prompt.length * answer.length);
}

for (let epoch = 1; epoch <= Number(values.epochs); epoch++) {
  let loss = 0;
  for (const example of shuffle(taught, stream(seed, 'order', epoch))) {
    const { prompt, answer, label } = example;
    const margin = label * score(example);
    loss += Math.log1p(Math.exp(-margin));
    const slope = -label / (1 + Math.exp(margin));
    const shared = slope / Math.sqrt(prompt.length * answer.length);
    const [u, v] = [prompts.sum(prompt), answers.sum(answer)];
    prompts.step(prompt, (i) => shared * (v[i] ?? 0));
    answers.step(answer, (i) => shared * (u[i] ?? 0));
    alone.step(answer, () => slope);
  }
  const right = held.filter((example) => example.label * score(example) > 0).length;
  console.log(
    `epoch ${epoch}: loss ${(loss / taught.length).toFixed(4)}, ${((100 * right) / held.length).toFixed(1)} % of ${held.length} answers to held-out questions told right`,
  );
}

/** The same function of BERT's inputs: [rows, 1]. */
function graphOf(): Graph {
  const g = new Graph();
  const ids = g.input('input_ids', 'int64', ['batch', 'length']);
  const mask = g.input('attention_mask', 'int64', ['batch', 'length']);
  const types = g.input('token_type_ids', 'int64', ['batch', 'length']);
  const column = (x: Value) => g.reshape(g.cast(x, 'float32'), ['batch', 'length', 1]);
  const second = g.mul(column(types), column(mask));
  const first = g.sub(column(mask), second);
  const sum = ({ data, width }: Weights, which: Value) =>
    g.reduceSum(g.mul(g.gather(g.constant(data, [vocabulary, width]), ids), which), [1], false);
  const lengths = g.mul(g.reduceSum(first, [1], false), g.reduceSum(second, [1], false));
  // An empty answer has no products, whatever they are divided by.
  const spread = g.sqrt(g.add(lengths, g.cast(g.equal(lengths, g.scalar(0)), 'float32')));
  const products = g.reduceSum(g.mul(sum(prompts, first), sum(answers, second)), [1]);
  g.output('logits', g.add(sum(alone, second), g.div(products, spread)));
  return g;
}

const config = {
  model_type: 'bert',
  architectures: ['BertForSequenceClassification'],
  vocab_size: vocabulary,
  hidden_size: WIDTH,
  num_hidden_layers: 0,
  num_attention_heads: 1,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  pad_token_id: 0,
  id2label: { 0: 'right' },
  label2id: { right: 0 },
};
await mkdir(join(values.out, 'onnx'), { recursive: true });
await writeFile(join(values.out, 'onnx', 'model.onnx'), encodeModel(graphOf()));
await writeFile(join(values.out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
await writeFile(join(values.out, 'tokenizer.json'), `${JSON.stringify(tokenizerJson)}\n`);
for (const name of ['tokenizer_config.json', 'special_tokens_map.json'])
  await copyFile(join(EMBEDDER, name), join(values.out, name));
console.log(`${vocabulary} words, written to ${values.out}`);
