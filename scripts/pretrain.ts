/**
 * Pretrains the embedded default model with this project's own trainer, on onnxruntime's native CPU build.
 *
 * npx tsx scripts/pretrain.ts [--steps 1000] [--batch 48] [--rate 4e-3] [--seed 1] [--layers 4] [--out public/models/default-lm]
 *
 * An --out that is not the default model's folder gets its tokenizer and its config, with --layers layers.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { DeviceTrainer } from '../src/engine/trainer.ts';
import type { Group } from '../src/engine/types.ts';
import { type ModelConfig, parseModelConfig } from '../src/model/config.ts';
import { elements, packUnit, units, unpackUnit } from '../src/model/parameters.ts';
import { stream } from '../src/model/random.ts';
import { writeSafetensors } from '../src/model/safetensors.ts';
import { special } from './default/corpus.ts';
import { askForAnswers } from './default/questions.ts';
import { Rng } from './default/rng.ts';
import { folder, nativeDevice } from './lib/native.ts';

const DEFAULT_MODEL = fileURLToPath(new URL('../public/models/default-lm', import.meta.url));

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    batch: { type: 'string', default: '48' },
    rate: { type: 'string', default: '4e-3' },
    layers: { type: 'string' },
    out: { type: 'string', default: DEFAULT_MODEL },
  },
});
const steps = Number(values.steps);
const seed = Number(values.seed);
const batch = Number(values.batch);
const peak = Number(values.rate);

if (resolve(values.out) !== resolve(DEFAULT_MODEL)) await beginFolder(values.out);
const source = folder(values.out);
const json = async (name: string) =>
  JSON.parse(new TextDecoder().decode((await source.read(name)) ?? new Uint8Array()));
const config = parseModelConfig(await json('config.json'));
const tokenizer = new PreTrainedTokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));

/** A sibling of the default model: the same in all but its weights, and perhaps its layers. */
async function beginFolder(out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  const files = [
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'generation_config.json',
  ];
  await Promise.all(files.map((name) => copyFile(join(DEFAULT_MODEL, name), join(out, name))));
  const own = JSON.parse(
    new TextDecoder().decode((await folder(DEFAULT_MODEL).read('config.json')) ?? new Uint8Array()),
  );
  const layers = Number(values.layers ?? own.num_hidden_layers);
  await writeFile(
    join(out, 'config.json'),
    `${JSON.stringify({ ...own, num_hidden_layers: layers }, null, 2)}\n`,
  );
}

/** Normal weights, deviation 0.02, less where they add to the residual stream (GPT-2's rule); norms 1. */
function initial(c: ModelConfig): Float32Array[] {
  const random = stream(seed, 'weights');
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return units(c, { kind: 'full' }).map((unit) =>
    packUnit(unit, (name) => {
      const shape = unit.find((t) => t.name === name)?.shape ?? [];
      if (shape.length === 1) return new Float32Array(elements(shape)).fill(1);
      const deviation = /o_proj|down_proj/.test(name) ? 0.02 / Math.sqrt(2 * c.layers) : 0.02;
      return Float32Array.from({ length: elements(shape) }, () => deviation * normal());
    }),
  );
}

/** In tokens; 32 rows of the prompt and 16 of an answer, see model/batch.ts. */
const LONGEST_PROMPT = 33;
const LONGEST_ANSWER = 16;

/** Answers a question, so that the question's tokens are computed once for all of them. */
const ANSWERS = 3;
/** Share of careless answers: few at first, so that the skills are learnt, then as the default is to be. */
const careless = (step: number): number => (step < 0.7 * steps ? 0.12 : 0.45);

/**
 * One step's groups: questions with some answers each, loss on the answers alone. Learning to copy from the
 * question is what takes a small model longest, and predicting the (random) questions teaches it little.
 */
function groups(rng: Rng, count: number, rate: number): Group[] {
  const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false });
  const list: Group[] = [];
  while (list.length < count) {
    const { prompt, answers } = askForAnswers(rng, ANSWERS, rate);
    const promptIds = encode(`${special.start}${special.user}${prompt}${special.assistant}`);
    const responseIds = answers.map((answer) => encode(answer + special.end));
    // One padded shape: the few longer ones would cost every step a second one.
    if (promptIds.length <= LONGEST_PROMPT && responseIds.every((r) => r.length <= LONGEST_ANSWER)) {
      list.push({ promptIds, responseIds });
    }
  }
  return list;
}

const tokensOf = (list: readonly Group[]) =>
  list.reduce((sum, g) => sum + g.responseIds.reduce((n, r) => n + r.length, 0), 0);

const device = nativeDevice();
const trainer = new DeviceTrainer(device, {
  config,
  mode: { kind: 'full' },
  weights: new Map(),
  parameters: initial(config),
  optimiser: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, maxGradNorm: 1 },
  maxRows: 8192,
  segment: config.layers,
  keep: true,
});

async function perplexity(): Promise<number> {
  const held = groups(new Rng(seed + 7919), 300, careless(steps));
  const logps = await trainer.logps(held);
  const sum = logps.flat().reduce((a, r) => a + r.reduce((x, y) => x + y, 0), 0);
  return Math.exp(-sum / tokensOf(held));
}

async function save(): Promise<void> {
  const vectors = await trainer.weights();
  const tensors = units(config, { kind: 'full' }).flatMap((unit, i) =>
    unpackUnit(unit, vectors[i] ?? new Float32Array(0)),
  );
  await writeFile(join(values.out, 'model.safetensors'), writeSafetensors(tensors, { format: 'pt' }, 'F16'));
}

const rng = new Rng(seed);
const warmup = Math.ceil(steps * 0.05);
const started = performance.now();
let seen = 0;
for (let step = 0; step < steps; step++) {
  const list = groups(rng, batch, careless(step));
  const tokens = tokensOf(list);
  const progress = Math.max(0, step - warmup) / (steps - warmup);
  const rate =
    peak * Math.min(1, (step + 1) / warmup) * (0.05 + 0.95 * 0.5 * (1 + Math.cos(Math.PI * progress)));
  const result = await trainer.step(
    list,
    (_, logps) => ({
      loss: -logps.reduce((a, b) => a + b, 0) / tokens,
      coefficients: logps.map(() => -1 / tokens),
      metrics: {},
    }),
    rate,
  );
  seen += tokens;
  if (step % 20 === 0 || step === steps - 1) {
    const seconds = (performance.now() - started) / 1000;
    console.log(
      `step ${step + 1}/${steps} loss ${result.loss.toFixed(4)} norm ${result.gradNorm.toFixed(2)} ${seen} tokens, ${Math.round(seen / seconds)}/s, ${Math.round((seconds / (step + 1)) * (steps - step - 1))} s left`,
    );
  }
  if ((step + 1) % 200 === 0) await save();
}
await save();
console.log(`perplexity of 900 unseen answers: ${(await perplexity()).toFixed(3)}`);
