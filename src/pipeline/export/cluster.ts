/**
 * "Continue on a cluster": the run's data, pairs and adapters with configuration for TRL (on Accelerate and
 * DeepSpeed) and vLLM that says the same as this run's settings. What is to be run is TRL's and vLLM's own; the two
 * scripts only hand files to them.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { ChatMessage } from '../../engine/types.ts';
import type { OptimiserConfig } from '../config.ts';
import { promptMessages } from '../prepare.ts';
import { totalSteps } from '../train.ts';
import type { PreparedData, TokenizedRow } from '../types.ts';
import type { ExportFile } from '../worker-api.ts';
import { ACCELERATE, clusterReadme, DPO_SCRIPT, REQUIREMENTS, SAMPLE_SCRIPT } from './cluster-text.ts';
import { trlConversational, trlStandard } from './pairs.ts';
import { jsonFile, jsonLines, minedPairs } from './rows.ts';
import { adapterFiles } from './run-files.ts';
import { ExportError, type ExportRun } from './types.ts';
import { yaml } from './yaml.ts';

/** Most processes the bundle is laid out for; fewer where the batches can't be shared out evenly. */
const PROCESSES = 8;
/** Sequences a process works on at once. */
const PER_DEVICE = 4;

export async function* exportCluster(run: ExportRun): AsyncGenerator<ExportFile> {
  const { store, config, model } = run;
  const data = await store.prepared();
  if (!data) throw new ExportError('The data has not been read yet: run the Data stage first.');
  const pairs = await minedPairs(store);
  const chat = model.tokenizer.hasChatTemplate;
  const k = config.dpo.negatives;
  const processes = divisor(greatestCommon(config.sft.batch, config.dpo.batch * k), PROCESSES);
  const file = (path: string, text: string): ExportFile => ({
    path: `cluster/${path}`,
    bytes: utf8ToBytes(text),
  });

  yield { path: 'cluster/data/sft.jsonl', bytes: jsonLines(data.train.map((row) => sftRow(row, chat))) };
  yield { path: 'cluster/data/prompts.jsonl', bytes: jsonLines(data.train.map((row) => promptRow(row))) };
  if (pairs.length > 0) {
    const rows = chat ? pairs.map(trlConversational) : pairs.map(trlStandard);
    yield { path: 'cluster/data/pairs.jsonl', bytes: jsonLines(rows) };
  }
  for (const [stage, folder] of [
    ['sft', 'adapter-sft'],
    ['dpo', 'adapter'],
  ] as const) {
    const checkpoint = await store.checkpoint(stage);
    if (!checkpoint) continue;
    for (const each of adapterFiles(model, config.lora, checkpoint.state.parameters, `cluster/${folder}`))
      yield each;
  }
  yield { path: 'cluster/run.json', bytes: jsonFile({ config, model: model.info }) };
  yield file('sft.yaml', yaml(sftConfig(run, data, processes)));
  yield file('dpo.yaml', yaml(dpoConfig(run, data, processes)));
  yield file('accelerate.yaml', yaml({ ...ACCELERATE, num_processes: processes }));
  yield file('sample.json', JSON.stringify(samplingConfig(run), null, 2));
  yield file('sample.py', SAMPLE_SCRIPT);
  yield file('dpo.py', DPO_SCRIPT);
  yield file('requirements.txt', REQUIREMENTS);
  yield file(
    'README.md',
    clusterReadme({ config, model: model.info.name, processes, pairs: pairs.length, chat }),
  );
}

/** A prompt and its target in TRL's prompt-completion form: the loss is on the completion only. */
function sftRow(row: TokenizedRow, chat: boolean) {
  const messages = promptMessages(row);
  if (chat) return { prompt: messages, completion: [{ role: 'assistant', content: row.target }] };
  return { prompt: joined(messages), completion: row.target };
}

/** What sample.py asks, and the target that its answers are compared with. */
const promptRow = (row: TokenizedRow) => ({ messages: promptMessages(row), target: row.target });

const joined = (messages: readonly ChatMessage[]): string =>
  messages.map(({ content }) => content).join('\n');

/** What SFT and DPO have in common. */
function training(run: ExportRun, stage: 'sft' | 'dpo', settings: OptimiserConfig, layout: Layout) {
  const { config, model } = run;
  return {
    model_name_or_path: layout.model,
    dtype: 'bfloat16',
    bf16: true,
    accelerate_config: 'accelerate.yaml',
    ...layout.data,
    output_dir: `out/${stage}`,
    seed: config.seed,
    data_seed: config.seed,
    num_train_epochs: settings.epochs,
    per_device_train_batch_size: layout.perDevice,
    gradient_accumulation_steps: layout.accumulation,
    learning_rate: settings.learningRate,
    lr_scheduler_type: schedulerOf(settings),
    warmup_steps: Math.round(settings.warmup * layout.steps),
    weight_decay: settings.weightDecay,
    max_grad_norm: settings.maxGradNorm,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    max_length: model.info.contextLength,
    logging_steps: 1,
    save_strategy: 'epoch',
    report_to: 'none',
  };
}

interface Layout {
  readonly model: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly steps: number;
  readonly perDevice: number;
  readonly accumulation: number;
}

/** Sequences an optimiser step, shared out over processes and what each takes at once. */
function layoutOf(sequences: number, processes: number): { perDevice: number; accumulation: number } {
  const perProcess = sequences / processes;
  const perDevice = divisor(perProcess, PER_DEVICE);
  return { perDevice, accumulation: perProcess / perDevice };
}

function sftConfig(run: ExportRun, data: PreparedData, processes: number) {
  const { config } = run;
  const { rank, alpha, targets } = config.lora;
  return {
    ...training(run, 'sft', config.sft, {
      model: run.model.info.name,
      data: { datasets: [{ path: 'json', data_files: 'data/sft.jsonl' }] },
      steps: totalSteps(data.train.length, config.sft),
      ...layoutOf(config.sft.batch, processes),
    }),
    completion_only_loss: true,
    packing: false,
    shuffle_dataset: false,
    use_peft: true,
    lora_r: rank,
    // TRL takes whole numbers only.
    lora_alpha: Math.round(alpha),
    lora_dropout: 0,
    lora_target_modules: [...targets],
    lora_task_type: 'CAUSAL_LM',
  };
}

function dpoConfig(run: ExportRun, data: PreparedData, processes: number) {
  const { config } = run;
  const { accelerate_config: _launched, ...common } = training(run, 'dpo', config.dpo, {
    model: run.model.info.name,
    data: { dataset_name: 'data/pairs.jsonl' },
    steps: totalSteps(data.train.length, config.dpo),
    ...layoutOf(config.dpo.batch * config.dpo.negatives, processes),
  });
  const { beta, loss, ftx } = config.dpo;
  return {
    ...common,
    beta,
    loss_type: ftx > 0 ? [loss, 'sft'] : [loss],
    ...(ftx > 0 ? { loss_weights: [1, ftx] } : {}),
    truncation_mode: 'keep_start',
    precompute_ref_log_probs: false,
  };
}

function samplingConfig({ config, model }: ExportRun) {
  const { n, temperature, topP, topK, maxTokens } = config.sample;
  return {
    model: model.info.name,
    n,
    temperature,
    top_p: topP,
    // vLLM switches top-k off with -1 (0 in newer ones, which read -1 too).
    top_k: topK === 0 ? -1 : topK,
    max_tokens: maxTokens,
    seed: config.seed,
    // vLLM takes only these.
    max_lora_rank:
      [8, 16, 32, 64, 128, 256, 320, 512].find((most) => most >= config.lora.rank) ?? config.lora.rank,
    filter: config.filter,
    negatives: config.dpo.negatives,
    chat: model.tokenizer.hasChatTemplate,
  };
}

function schedulerOf({ schedule, warmup }: OptimiserConfig): string {
  return schedule === 'constant' && warmup > 0 ? 'constant_with_warmup' : schedule;
}

function greatestCommon(a: number, b: number): number {
  return b === 0 ? a : greatestCommon(b, a % b);
}

/** The largest number up to `most` that divides n. */
function divisor(n: number, most: number): number {
  for (let d = most; d > 1; d--) if (n % d === 0) return d;
  return 1;
}
