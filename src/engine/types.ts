/**
 * What the engine offers to everything above it. No DOM types, no onnxruntime types: the pipeline and its
 * tests are written against this file alone.
 */
import type { ModelConfig } from '../model/config.ts';
import type { FileSource } from '../model/files.ts';
import type { MemoryChoice } from '../model/fit.ts';
import type { Precision } from '../model/precision.ts';
import type { Compared } from '../model/self-check.ts';

/** One prompt with 1..n responses, as token ids: the unit of all training and scoring. */
export interface Group {
  /** At least one token. */
  readonly promptIds: readonly number[];
  /** Each at least one token; an end token is trained on only when it is listed here. */
  readonly responseIds: readonly (readonly number[])[];
}

/** What a loss says about one group: see src/model/loss.ts. */
export interface GroupLossValue {
  /** The group's share of the step's loss. */
  readonly loss: number;
  /** dLoss/dlogp of every response of the group (logp = sum over the response's tokens). */
  readonly coefficients: readonly number[];
  /** Figures to be averaged over the groups of a step, e.g. rewardMargin. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Loss of group number `index` of a step from the summed log-probabilities of its responses. */
export type GroupLoss = (index: number, logps: readonly number[]) => GroupLossValue;

export interface StepResult {
  /** Sum of the groups' losses. */
  readonly loss: number;
  /** Global L2 norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** Mean over groups of each metric. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Real (unpadded) tokens that went through the model. */
  readonly tokens: number;
}

/** What a step would have gone by. */
export interface GradientResult extends StepResult {
  /** One flat vector a unit, in the layout of the parameters. */
  readonly gradients: Float32Array[];
}

/** Trainable parameters and optimiser state, one flat vector a unit (a layer, or the embedding in full training). */
export interface TrainerState {
  readonly step: number;
  readonly parameters: readonly Float32Array[];
  /** First and second AdamW moments, same lengths as `parameters`. */
  readonly m: readonly Float32Array[];
  readonly v: readonly Float32Array[];
}

export interface OptimiserSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Largest global gradient norm; 0 switches clipping off. */
  readonly maxGradNorm: number;
}

/** One flat vector a layer; the layout is fixed by LoraConfig and the model config (src/model/parameters.ts). */
export type AdapterWeights = readonly Float32Array[];

export interface Trainer {
  /** Per-token log-probabilities under the current parameters: [group][response][token]. */
  logps(groups: readonly Group[], signal?: AbortSignal): Promise<Float32Array[][]>;
  /**
   * One optimiser step over `groups`, in as many micro-batches as memory asks for. The learning rate is
   * this step's (schedules are pure functions in src/model/schedule.ts).
   *
   * @throws NonFiniteError where a log-probability, the loss or the gradient is not finite; nothing is changed then
   */
  step(
    groups: readonly Group[],
    loss: GroupLoss,
    learningRate: number,
    signal?: AbortSignal,
  ): Promise<StepResult>;
  /**
   * Loss and gradient of a step without taking it: nothing is changed.
   *
   * @throws NonFiniteError where a log-probability or the loss is not finite
   */
  gradients(groups: readonly Group[], loss: GroupLoss, signal?: AbortSignal): Promise<GradientResult>;
  /** Reads parameters and moments back from the device. */
  state(): Promise<TrainerState>;
  /**
   * Takes the last step back, which may be done once after each: that new parameters give no numbers shows only in
   * the step after. False where there was none since the trainer was made or restored.
   */
  undo(): Promise<boolean>;
  /** Replaces parameters, moments and step count. */
  restore(state: TrainerState): Promise<void>;
  /** Only the parameters, e.g. to hand to a sampler. */
  weights(): Promise<AdapterWeights>;
  dispose(): Promise<void>;
}

export interface SampleSettings {
  /** 0 is greedy and ignores the seed. */
  readonly temperature: number;
  /** 1 switches it off. */
  readonly topP: number;
  /** 0 switches it off. */
  readonly topK: number;
  readonly maxTokens: number;
  /** A row ends after emitting one of these. */
  readonly stopIds: readonly number[];
}

export interface SampleRequest {
  readonly promptIds: readonly number[];
  readonly n: number;
  /** Seed of this prompt; sample j of it always sees the same random stream, however prompts are batched. */
  readonly seed: number;
  /** Fewer tokens for this prompt than the settings allow. */
  readonly maxTokens?: number;
}

export interface Sample {
  /** As sampled, the stop token included where one was reached. */
  readonly tokenIds: number[];
  /** Log-probability of each token under the unmodified distribution (temperature 1, no top-p/top-k). */
  readonly logps: number[];
  /** False where maxTokens (or the context) ended it. */
  readonly stopped: boolean;
}

export interface Sampler {
  /**
   * Samples every request, n each, sharing one prefill a prompt. `onDone` is awaited once a request with
   * its n samples, in the order of finishing, so that it can be stored before more work starts.
   * Aborting rejects with the signal's reason; finished requests have been handed over by then.
   */
  sample(
    requests: readonly SampleRequest[],
    settings: SampleSettings,
    onDone: (index: number, samples: Sample[]) => void | Promise<void>,
    options?: SampleOptions,
  ): Promise<void>;
  dispose(): Promise<void>;
}

export interface SampleOptions {
  readonly signal?: AbortSignal;
  readonly onTokens?: (tokens: number) => void;
  /**
   * Requests whose samples are stored already; `onDone` is not called for them. Which rows are computed
   * together changes the last bits of a result, so batches are made as though all were asked for, and only
   * those with nothing left to do are left out: whatever was done before, the samples are the same.
   */
  readonly finished?: ReadonlySet<number>;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** Text to ids and back, by the model's own tokenizer. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Ids that end a response (generation_config/config eos ids). */
  readonly stopIds: readonly number[];
  /** Id appended to every target in training. */
  readonly eosId: number;
  readonly hasChatTemplate: boolean;
  /**
   * The prompt as the model sees it before it answers: the chat template with the generation prompt, or
   * without a template the plain text (with BOS where the tokenizer adds one; never two).
   */
  renderPrompt(messages: readonly ChatMessage[]): { text: string; ids: number[] };
  /** A target answer's ids, no special tokens added but the end token at the end. */
  encodeTarget(target: string): number[];
  /** Special tokens left out. */
  decode(ids: readonly number[]): string;
  /** Each id's text by itself, special tokens shown; for display. */
  pieces(ids: readonly number[]): string[];
}

export interface LoraConfig {
  readonly rank: number;
  readonly alpha: number;
  /** Subset of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj. */
  readonly targets: readonly string[];
}

export type BackendName = 'webgpu' | 'wasm' | 'cpu';

export interface DeviceInfo {
  readonly backend: BackendName;
  /** Adapter name, or 'WebAssembly', with the number of threads. */
  readonly description: string;
  readonly threads: number;
  /** Why this backend, where 'auto' chose it or a feature is missing; shown to the user. */
  readonly note: string;
}

/** What a short computation showed before the device was trusted with a run. */
export interface SelfCheck {
  readonly passed: boolean;
  readonly backend: BackendName;
  /** Of the frozen weights. */
  readonly precision: Precision;
  /** Device, browser, model and precision: what it holds for. */
  readonly key: string;
  readonly compared: readonly Compared[];
  readonly seconds: number;
  /** What is wrong, in words; absent where it passed. */
  readonly problem?: string;
  /** What to do about it; absent where it passed. */
  readonly advice?: string;
  readonly offer?: 'wasm';
  /** What could not be compared, and why; no failure. */
  readonly remarks: readonly string[];
}

export interface SelfCheckOptions {
  readonly signal?: AbortSignal;
  /** Told how many of how many parts are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Milliseconds after which a device that does not answer is given up. */
  readonly patience?: number;
}

export interface ModelInfo {
  readonly name: string;
  readonly architecture: string;
  readonly parameterCount: number;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  /** SHA-256 over config and weights, hex. */
  readonly fingerprint: string;
  /**
   * SHA-256 over what makes tokens of text and text of tokens, hex: the tokenizer's files, the chat template's and the
   * stop tokens'. Runs of earlier versions have none.
   */
  readonly textFingerprint?: string;
  /** How the weights are kept on the device; may be another precision than was asked for. Absence is f32. */
  readonly precision?: Precision;
}

/** A loaded model on a device. At most one trainer and one sampler are worked at a time (one queue). */
export interface LanguageModel {
  readonly info: ModelInfo;
  readonly config: ModelConfig;
  /** The folder it was loaded from. */
  readonly files: FileSource;
  readonly device: DeviceInfo;
  readonly tokenizer: Tokenizer;
  /** Trainer of a LoRA adapter, freshly initialised from `seed` (A Kaiming-uniform, B zero). */
  createTrainer(
    lora: LoraConfig,
    optimiser: OptimiserSettings,
    seed: number,
    memory?: MemoryChoice,
  ): Promise<Trainer>;
  /** Sampler of the base model (null) or of the base with an adapter. */
  createSampler(lora: LoraConfig, adapter: AdapterWeights | null, memory?: MemoryChoice): Promise<Sampler>;
  /** What a self-check's result holds for. */
  readonly checkKey: string;
  /**
   * Computes a small batch with an adapter of this kind and compares: with WebAssembly, with a finite difference.
   * A device that fails is an answer, not an error.
   *
   * @throws DeviceLostError where the device goes away meanwhile, which happens to sound ones too
   */
  selfCheck(lora: LoraConfig, options?: SelfCheckOptions): Promise<SelfCheck>;
  dispose(): Promise<void>;
}

export interface EmbedderInfo {
  readonly name: string;
  /** SHA-256 over its files and its pooling, hex; empty where the files were not read by this page. */
  readonly fingerprint: string;
}

export interface TextEmbedder {
  readonly info: EmbedderInfo;
  /** Normalised vectors, one a text, in order. */
  embed(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array[]>;
}

/** A sequence-classification model that scores answers; more is better. Its unit is its own. */
export interface RewardModel {
  readonly info: EmbedderInfo;
  /** One score a pair, in order. */
  score(
    pairs: readonly { readonly messages: readonly ChatMessage[]; readonly answer: string }[],
    signal?: AbortSignal,
  ): Promise<number[]>;
}

export type { FileSource, RangedFile } from '../model/files.ts';
