/** The fixed texts of the cluster bundle: launcher settings, two thin scripts, requirements and the README. */
import type { RunConfig } from '../config.ts';

/** Accelerate's launcher with DeepSpeed ZeRO; the number of processes is the bundle's. */
export const ACCELERATE = {
  compute_environment: 'LOCAL_MACHINE',
  distributed_type: 'DEEPSPEED',
  deepspeed_config: {
    deepspeed_multinode_launcher: 'standard',
    offload_optimizer_device: 'none',
    offload_param_device: 'none',
    zero3_init_flag: false,
    zero_stage: 2,
  },
  mixed_precision: 'bf16',
  machine_rank: 0,
  main_training_function: 'main',
  num_machines: 1,
  rdzv_backend: 'static',
  same_network: true,
  use_cpu: false,
} as const;

export const REQUIREMENTS = `trl[peft]>=1.0
accelerate
deepspeed
datasets
vllm
sentence-transformers
`;

/** DPO goes on training the SFT adapter; TRL keeps a frozen copy of it as the reference. */
export const DPO_SCRIPT = `"""DPO from an SFT adapter, by TRL: the adapter is trained on, a frozen copy of it is the reference."""
from dataclasses import dataclass, field

import torch
from datasets import load_dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, ModelConfig, ScriptArguments, TrlParser


@dataclass
class AdapterArguments:
    adapter: str = field(default="adapter-sft", metadata={"help": "The SFT adapter to go on from."})


parser = TrlParser((AdapterArguments, ScriptArguments, DPOConfig, ModelConfig))
adapter_args, script_args, training_args, model_args = parser.parse_args_and_config()
base = AutoModelForCausalLM.from_pretrained(model_args.model_name_or_path, dtype=getattr(torch, model_args.dtype))
trainer = DPOTrainer(
    model=PeftModel.from_pretrained(base, adapter_args.adapter, is_trainable=True),
    args=training_args,
    train_dataset=load_dataset("json", data_files=script_args.dataset_name, split="train"),
    processing_class=AutoTokenizer.from_pretrained(model_args.model_name_or_path),
)
trainer.train()
trainer.save_model(training_args.output_dir)
`;

/** Sampling by vLLM, similarity by sentence-transformers, and the filter of this project's Filter stage. */
export const SAMPLE_SCRIPT = `"""Samples answers with vLLM, embeds and filters them, and writes the pairs DPO trains on."""
import argparse
import json
import math
import random


def pool(texts, similarities, mode, percent):
    """Indices of the answers that may be negatives: the least similar to the target."""
    seen, left = set(), []
    for i, text in enumerate(texts):
        plain = text.lstrip(" ")
        if plain == "" or (mode.endswith("dedup") and plain in seen):
            continue
        seen.add(plain)
        left.append(i)
    if mode in ("all", "alldedup"):
        return left
    sampled = len(texts) if mode == "lastdedup" else len(left)
    share = math.floor(sampled * percent / 100)
    size = min(share, len(left) - 1) if mode == "lastdedup" else share
    return sorted(sorted(left, key=lambda i: similarities[i])[: max(0, size)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--adapter", default="out/sft")
    parser.add_argument("--embedder", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    args = parser.parse_args()
    with open("sample.json") as file:
        config = json.load(file)
    with open("data/prompts.jsonl") as file:
        rows = [json.loads(line) for line in file]

    from sentence_transformers import SentenceTransformer
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    llm = LLM(
        model=config["model"],
        enable_lora=True,
        max_lora_rank=config["max_lora_rank"],
        tensor_parallel_size=args.tensor_parallel_size,
    )
    params = SamplingParams(**{k: config[k] for k in ("n", "temperature", "top_p", "top_k", "max_tokens", "seed")})
    lora = LoRARequest("sft", 1, args.adapter)
    prompts = [row["messages"] for row in rows]
    if config["chat"]:
        outputs = llm.chat(prompts, params, lora_request=lora)
    else:
        outputs = llm.generate(["\\n".join(m["content"] for m in p) for p in prompts], params, lora_request=lora)

    embedder = SentenceTransformer(args.embedder)
    draw = random.Random(config["seed"])
    with open("data/pairs.jsonl", "w") as out:
        for row, output in zip(rows, outputs):
            texts = [answer.text.lstrip(" ") for answer in output.outputs]
            vectors = embedder.encode([row["target"], *texts], normalize_embeddings=True)
            similarities = (vectors[1:] @ vectors[0]).tolist()
            candidates = pool(texts, similarities, config["filter"]["mode"], config["filter"]["percent"])
            if len(candidates) < config["negatives"]:
                continue
            for i in draw.sample(candidates, config["negatives"]):
                pair = {"prompt": row["messages"], "chosen": row["target"], "rejected": texts[i]}
                if config["chat"]:
                    pair["chosen"] = [{"role": "assistant", "content": pair["chosen"]}]
                    pair["rejected"] = [{"role": "assistant", "content": pair["rejected"]}]
                else:
                    pair["prompt"] = "\\n".join(m["content"] for m in row["messages"])
                out.write(json.dumps(pair, ensure_ascii=False) + "\\n")


if __name__ == "__main__":
    main()
`;

export function clusterReadme({
  config,
  model,
  processes,
  pairs,
  chat,
}: {
  readonly config: RunConfig;
  readonly model: string;
  readonly processes: number;
  readonly pairs: number;
  readonly chat: boolean;
}): string {
  const { dpo, sample, lora } = config;
  const k = dpo.negatives;
  const started = config.adapter !== 'none' || config.sft.epochs === 0;
  const notes = [
    ...(started
      ? [
          'This run began with an adapter, or left SFT out: the first command would train a fresh adapter from nothing. Leave it out and give `--adapter adapter-sft` to the other two.',
        ]
      : []),
    `DPO in TRL sees pairs, not groups: the prompt and the target are computed again for each of the ${k} negatives. The loss is the same mean over pairs. An optimiser step holds ${dpo.batch} prompts x ${k} negatives = ${dpo.batch * k} pairs, as \`per_device_train_batch_size\` x \`gradient_accumulation_steps\` x ${processes} process${processes === 1 ? '' : 'es'}; change one and adjust the others.`,
    'TRL shuffles pairs, so the negatives of a prompt do not stay in one step.',
    'The seeds are the same, the random numbers are not: order, initial adapter and samples differ.',
    'A warm-up step here has (i + 1) / w of the rate, in transformers i / w.',
    'Weights and arithmetic are bfloat16 there, float32 here. Set `dtype: "float32"` and `bf16: false` in both YAML files and `mixed_precision: "no"` in accelerate.yaml to have them alike.',
    'Similarity is measured by another embedder in sample.py; name one with `--embedder`.',
    ...(dpo.loss === 'ipo'
      ? ['TRL divides IPO log-probabilities by the length of the answer; here they are sums.']
      : []),
    ...(Number.isInteger(lora.alpha)
      ? []
      : [`TRL takes whole numbers for lora_alpha; ${lora.alpha} was rounded.`]),
    ...(chat
      ? []
      : ['The model has no chat template: prompts are plain text, earlier turns a line each before them.']),
  ];
  return `# Continue on a cluster

The data, adapters and settings of a Self-Contrast run, for TRL on Accelerate and DeepSpeed, and vLLM. Option names
are those of TRL 1.10.

\`\`\`sh
pip install -r requirements.txt
trl sft --config sft.yaml                                    # SFT: writes the adapter out/sft
python sample.py --adapter out/sft                           # ${sample.n} answers a prompt, filtered: writes data/pairs.jsonl
accelerate launch --config_file accelerate.yaml dpo.py --config dpo.yaml --adapter out/sft   # DPO: writes out/dpo
\`\`\`

The first two may be left out: \`adapter-sft/\` is this run's SFT adapter, data/pairs.jsonl ${pairs > 0 ? `its ${pairs} mined pairs` : 'is not there yet'}${pairs > 0 ? '' : ', so step two is needed'},
and \`--adapter adapter-sft\` goes on from there. \`adapter/\`, where it is there, is the run's finished adapter.

- \`model_name_or_path\` in sft.yaml and dpo.yaml and \`model\` in sample.json say "${model}": put in the path or hub id of that model.
- accelerate.yaml is laid out for ${processes} process${processes === 1 ? '' : 'es'} on one machine with ZeRO stage 2; set \`num_machines\`, \`machine_rank\` and
  \`main_process_ip\` for more, and \`zero_stage: 3\` where the model does not fit one GPU.

## What differs from the run in the browser
${notes.map((note) => `- ${note}`).join('\n')}
`;
}
