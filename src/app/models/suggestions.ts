/**
 * Models that people ask for, as their pages on the hub describe them. Sizes are those of the weights: two bytes a
 * parameter (bfloat16) of language models, four (float32 ONNX) of embedders. The list only spares typing.
 */
import type { HubUse } from '../../hub/api.ts';

export interface Suggested {
  readonly id: string;
  /** Bytes to fetch, about. */
  readonly bytes: number;
  readonly words: string;
  readonly licence: string;
  /** The licence has to be accepted on the hub, so that a token is needed. */
  readonly gated?: boolean;
}

export const SUGGESTED: Readonly<Record<HubUse, readonly Suggested[]>> = {
  model: [
    {
      id: 'HuggingFaceTB/SmolLM2-135M-Instruct',
      bytes: 269e6,
      words: '135 M parameters, English. The place to begin.',
      licence: 'Apache 2.0',
    },
    {
      id: 'HuggingFaceTB/SmolLM2-360M-Instruct',
      bytes: 724e6,
      words: '360 M parameters, English.',
      licence: 'Apache 2.0',
    },
    {
      id: 'google/gemma-3-270m-it',
      bytes: 536e6,
      words: '270 M parameters, most of them its vocabulary of many languages.',
      licence: 'Gemma terms of use',
      gated: true,
    },
    {
      id: 'Qwen/Qwen2.5-0.5B-Instruct',
      bytes: 988e6,
      words: '0.5 B parameters, many languages.',
      licence: 'Apache 2.0',
    },
    {
      id: 'Qwen/Qwen3-0.6B',
      bytes: 1503e6,
      words: '0.6 B parameters, many languages; thinks before it answers unless told not to.',
      licence: 'Apache 2.0',
    },
    {
      id: 'meta-llama/Llama-3.2-1B-Instruct',
      bytes: 2472e6,
      words: '1.2 B parameters, eight languages.',
      licence: 'Llama 3.2 community licence',
      gated: true,
    },
  ],
  embedder: [
    {
      id: 'Xenova/all-MiniLM-L6-v2',
      bytes: 90e6,
      words: '22 M parameters, English; quick.',
      licence: 'Apache 2.0',
    },
    {
      id: 'Xenova/bge-small-en-v1.5',
      bytes: 133e6,
      words: '33 M parameters, English.',
      licence: 'MIT',
    },
    {
      id: 'WhereIsAI/UAE-Large-V1',
      bytes: 1340e6,
      words: '335 M parameters, English; the one of the Self-Contrast paper, and slow.',
      licence: 'MIT',
    },
  ],
};
