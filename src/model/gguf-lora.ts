/**
 * LoRA adapters as llama.cpp loads them (`--lora`): a GGUF file of type "adapter". llama.cpp scales every module by
 * alpha / rank, and some of its architectures keep the rows of the query and key weights in another order, so the rows
 * of their B are reordered likewise.
 */
import { isTarget, type LoraModule, type Target } from './adapter.ts';
import type { ModelConfig } from './config.ts';
import { familyOf } from './families.ts';
import { GgufError, type GgufFile, readGguf, writeGguf } from './gguf.ts';
import { TARGETS } from './parameters.ts';

/** What llama.cpp calls the seven projections. */
const GGUF_NAME: Readonly<Record<Target, string>> = {
  q_proj: 'attn_q',
  k_proj: 'attn_k',
  v_proj: 'attn_v',
  o_proj: 'attn_output',
  gate_proj: 'ffn_gate',
  up_proj: 'ffn_up',
  down_proj: 'ffn_down',
};

/**
 * @param name shown to people who inspect the file
 * @param modules of one scale each; the common alpha is that of the first, others are multiplied into B
 */
export function writeGgufLora(c: ModelConfig, name: string, modules: readonly LoraModule[]): Uint8Array {
  const [first] = modules;
  if (!first) throw new GgufError('there is no adapter to write');
  const alpha = first.scale * first.rank;
  const tensors = modules.flatMap((m) => {
    const stem = `blk.${m.layer}.${GGUF_NAME[m.target]}.weight`;
    const factor = (m.scale * m.rank) / alpha;
    const b = factor === 1 ? m.b : m.b.map((x) => x * factor);
    return [
      { name: `${stem}.lora_a`, shape: [m.rank, m.in], data: m.a },
      { name: `${stem}.lora_b`, shape: [m.out, m.rank], data: reorder(c, m, b, 'interleave') },
    ];
  });
  return writeGguf(
    [
      { key: 'general.type', type: 'string', value: 'adapter' },
      { key: 'general.architecture', type: 'string', value: familyOf(c).gguf },
      { key: 'general.name', type: 'string', value: name },
      { key: 'general.file_type', type: 'uint32', value: 0 },
      { key: 'adapter.type', type: 'string', value: 'lora' },
      { key: 'adapter.lora.alpha', type: 'float32', value: alpha },
    ],
    tensors,
  );
}

/** @throws GgufError for a broken file, or one that is no LoRA adapter of the model's architecture */
export function readGgufLora(c: ModelConfig, file: Uint8Array): LoraModule[] {
  const gguf = readGguf(file);
  expectValue(gguf, 'general.type', 'adapter');
  expectValue(gguf, 'general.architecture', familyOf(c).gguf);
  expectValue(gguf, 'adapter.type', 'lora');
  const alpha = gguf.metadata.get('adapter.lora.alpha');
  if (typeof alpha !== 'number' || !(alpha > 0) || !Number.isFinite(alpha)) {
    throw new GgufError(`adapter.lora.alpha is ${String(alpha)}, not a positive number`);
  }
  const byName = new Map(gguf.tensors.map((t) => [t.name, t]));
  const modules = gguf.tensors.flatMap((a) => {
    const [, layer = '', kind = '', side] = /^blk\.(\d{1,6})\.(\w+)\.weight\.lora_([ab])$/.exec(a.name) ?? [];
    const target = TARGETS.find((t) => isTarget(t) && GGUF_NAME[t] === kind);
    if (target === undefined) throw new GgufError(`"${a.name}" is not a LoRA tensor of a projection`);
    const other = byName.get(a.name.replace(/[ab]$/, side === 'a' ? 'b' : 'a'));
    if (!other) throw new GgufError(`"${a.name}" has no counterpart`);
    if (side === 'b') return [];
    const [rank = 0, inner = 0] = a.shape;
    const [out = 0, width = 0] = other.shape;
    if (a.shape.length !== 2 || other.shape.length !== 2 || width !== rank || rank === 0) {
      throw new GgufError(
        `"${a.name}" is [${a.shape.join(', ')}], its counterpart [${other.shape.join(', ')}]`,
      );
    }
    const module = { layer: Number(layer), target, rank, scale: alpha / rank, in: inner, out, a: a.data };
    return [{ ...module, b: reorder(c, { ...module }, other.data, 'split') }];
  });
  if (modules.length === 0) throw new GgufError('it holds no adapter');
  return modules;
}

function expectValue({ metadata }: GgufFile, key: string, wanted: string): void {
  const found = metadata.get(key);
  if (found !== wanted) throw new GgufError(`${key} is ${JSON.stringify(String(found))}, not "${wanted}"`);
}

/**
 * Rows of B [out, rank] of queries and keys in the other order. Hugging Face rotates the first half of a head with
 * its second half (split), as llama.cpp does for most; its Llama rotates neighbours (interleaved): row 2j + s of a head
 * there is row s * headDim / 2 + j here. Other projections keep their order.
 */
function reorder(
  c: ModelConfig,
  { target, rank, out }: { target: Target; rank: number; out: number },
  b: Float32Array,
  to: 'interleave' | 'split',
): Float32Array {
  if (!familyOf(c).ggufInterleaved || (target !== 'q_proj' && target !== 'k_proj')) return b;
  const { headDim } = c;
  if (out % headDim !== 0) throw new GgufError(`${target} has ${out} rows, not a multiple of ${headDim}`);
  const half = headDim / 2;
  const result = new Float32Array(b.length);
  for (let row = 0; row < out; row++) {
    const inHead = row % headDim;
    const paired = row - inHead + 2 * (inHead % half) + Math.floor(inHead / half);
    const [from, into] = to === 'interleave' ? [row, paired] : [paired, row];
    result.set(b.subarray(from * rank, (from + 1) * rank), into * rank);
  }
  return result;
}
