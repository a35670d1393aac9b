/**
 * A DPO step over one prompt with k negatives, in Chromium on WASM, beside the same step as k independent pairs on the
 * same engine. Ours: the prompt and the target once for all k, reference log-probabilities stored. The peer is what TRL's
 * DPOTrainer does unless told otherwise: every sequence of a pair with its own prompt, logits of all its tokens, and the
 * reference's log-probabilities in every step. Two milder peers are among the facts of the largest k.
 */
import { sideBySide } from './measure.ts';
import type { Row } from './row.ts';
import type { StepPlan } from './training/plan.ts';
import { type TrainingPage, withTrainingPage } from './training.ts';

const PROMPT = 128;
const RESPONSE = 128;
/** Negatives of the row that is to reach something. */
const MOST = 16;
/** Tokens of a sequence that go before those with a logit: a few rows, since a group's prompt is never empty. */
const HEADLESS = 9;

interface Peer {
  readonly name: string;
  readonly plan: StepPlan;
}

const ours = (k: number): StepPlan => ({
  groups: 1,
  promptTokens: PROMPT,
  responses: 1 + k,
  responseTokens: RESPONSE,
  reference: false,
});

function peers(k: number): [Peer, ...Peer[]] {
  return [
    {
      name: 'each sequence with its prompt, logits of all tokens (TRL)',
      plan: {
        groups: 2 * k,
        promptTokens: HEADLESS,
        responses: 1,
        responseTokens: PROMPT - HEADLESS + RESPONSE,
        reference: true,
      },
    },
    {
      name: 'each sequence with its prompt, logits of its response',
      plan: { groups: 2 * k, promptTokens: PROMPT, responses: 1, responseTokens: RESPONSE, reference: true },
    },
    {
      name: 'the prompt once a pair, logits of the responses',
      plan: { groups: k, promptTokens: PROMPT, responses: 2, responseTokens: RESPONSE, reference: true },
    },
  ];
}

export const dpoRows = (): Promise<Row[]> =>
  withTrainingPage('stories15M', async (page) => {
    const rows: Row[] = [];
    for (const k of [MOST, 8, 4, 1]) rows.push(await rowOf(page, k));
    return rows;
  });

async function rowOf(training: TrainingPage, k: number): Promise<Row> {
  const our = await training.prepare(`group ${k}`, ours(k));
  const against = async ({ name, plan }: Peer, repeats: number) => {
    const prepared = await training.prepare(`${name} ${k}`, plan);
    const result = await sideBySide(
      () => training.step(`group ${k}`),
      () => training.step(`${name} ${k}`),
      repeats,
    );
    return { name, ...result, ...prepared };
  };
  const [usual, ...milder] = peers(k);
  const { ours: seconds, ...peer } = await against(usual, 3);
  const others: object[] = [];
  if (k === MOST) for (const mild of milder) others.push(await against(mild, 1));
  return {
    name: `DPO step, 15M shape, k = ${k}`,
    value: `${seconds.toFixed(2)} s`,
    peer: `${k} pairs, reference computed: ${peer.peer.toFixed(2)} s`,
    ratio: peer.ratio,
    ...(k === MOST ? { wanted: '>= 4.50x' } : {}),
    facts: { seconds, ...our, peer, milderPeers: others, threads: training.threads },
  };
}
