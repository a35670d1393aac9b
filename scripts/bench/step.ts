/**
 * A LoRA step of SmolLM2-135M's shape over 512 tokens in Chromium on WASM, beside its bare matrix products and beside
 * the same step in PyTorch on the processor with as many threads.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseModelConfig } from '../../src/model/config.ts';
import { SHAPES } from '../lib/shapes.ts';
import { torchShape } from './gpu/plan.ts';
import { sideBySide } from './measure.ts';
import type { Row } from './row.ts';
import { RANK, type StepPlan } from './training/plan.ts';
import { type TrainingPage, withTrainingPage } from './training.ts';

const SHAPE = 'SmolLM2-135M';
const WHAT = 'LoRA step, SmolLM2-135M shape, 512 tokens';
/** One sequence: 128 tokens of prompt and 384 of answer are 512 rows (the last token only is a label). */
const STEP: StepPlan = {
  groups: 1,
  promptTokens: 129,
  responses: 1,
  responseTokens: 384,
  reference: false,
};

export const stepRows = (): Promise<Row[]> =>
  withTrainingPage(SHAPE, async (page) => {
    const prepared = await page.prepare('step', STEP);
    return [await bareRow(page, prepared), await torchRow(page)];
  });

async function bareRow(training: TrainingPage, prepared: object): Promise<Row> {
  const { page } = training;
  const bare = () => page.evaluate(() => window.trainingBench.bare('step'));
  const { ours, peer, ratio } = await sideBySide(() => training.step('step'), bare, 3);
  const shares = await page.evaluate(() => window.trainingBench.shares('step', 1));
  return {
    name: WHAT,
    value: `${ours.toFixed(2)} s`,
    peer: `its bare products in one graph ${peer.toFixed(2)} s`,
    ratio,
    wanted: '>= 0.80x',
    facts: { seconds: ours, bareSeconds: peer, bareShares: shares, threads: training.threads, ...prepared },
  };
}

/** The first Python that has torch: PYTHON's, the usual one, the system's. */
function pythonWithTorch(): string | null {
  const names = [process.env.PYTHON, 'python3', '/usr/bin/python3'].filter((name) => name !== undefined);
  return names.find((name) => spawnSync(name, ['-c', 'import torch']).status === 0) ?? null;
}

async function torchRow(training: TrainingPage): Promise<Row> {
  const name = `${WHAT}: PyTorch`;
  const python = pythonWithTorch();
  if (python === null)
    return { name, value: 'not run', peer: 'no python3 here has torch', wanted: '>= 1.00x' };
  const torch = await startTorch(python, training.threads);
  try {
    const { ours, peer, ratio } = await sideBySide(() => training.step('step'), torch.step, 3);
    return {
      name,
      value: `${ours.toFixed(2)} s`,
      peer: `PyTorch ${torch.version}, ${torch.device} ${peer.toFixed(2)} s`,
      ratio,
      wanted: '>= 1.00x',
      facts: { seconds: ours, torchSeconds: peer, threads: training.threads, torch: torch.version },
    };
  } finally {
    torch.stop();
  }
}

interface Torch {
  readonly device: string;
  readonly version: string;
  step(): Promise<unknown>;
  stop(): void;
}

/** PyTorch's side, waiting for steps to be asked for. */
async function startTorch(python: string, threads: number): Promise<Torch> {
  const c = parseModelConfig(SHAPES[SHAPE]);
  const plan = {
    shape: torchShape(c),
    groups: STEP.groups,
    negatives: STEP.responses - 1,
    promptTokens: STEP.promptTokens,
    responseTokens: STEP.responseTokens,
    rank: RANK,
    repeats: 1,
    half: false,
    threads,
  };
  const script = fileURLToPath(new URL('gpu/step.py', import.meta.url));
  const counts = { OPENBLAS_NUM_THREADS: String(threads), OMP_NUM_THREADS: String(threads) };
  const child: ChildProcessWithoutNullStreams = spawn(python, [script], {
    env: { ...process.env, ...counts, CUDA_VISIBLE_DEVICES: '' },
  });
  let trouble = '';
  child.stderr.on('data', (bytes: Buffer) => {
    trouble += bytes.toString();
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (asked: string): Promise<string> => {
    child.stdin.write(`${asked}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`PyTorch ended: ${trouble.trim().split('\n').at(-1) ?? ''}`);
    return value;
  };
  const facts: { device: string; torch: string } = JSON.parse(await answer(JSON.stringify(plan)));
  return {
    device: facts.device,
    version: facts.torch,
    step: () => answer('step'),
    stop: () => child.stdin.end(),
  };
}
