import { useState } from 'preact/hooks';
import { DEFAULT_ANSWERS } from '../../pipeline/export/defaults.ts';
import type { Arm } from '../../pipeline/types.ts';
import type { ExportFormat } from '../../pipeline/worker-api.ts';
import { exporting } from '../actions/exports.ts';
import {
  answerFile,
  cancelExport,
  downloadAdapter,
  downloadFile,
  downloadFormat,
  downloadRunReport,
} from '../actions.ts';
import { bytes } from '../format.ts';
import { busy, view } from '../signals.ts';
import { ARM_NAME, ARMS } from '../verdict.ts';
import { Icon } from './Icon.tsx';
import { Menu } from './Menu.tsx';
import '../styles/exports.css';

interface FormatItem {
  readonly format: ExportFormat;
  readonly label: string;
  readonly help: string;
  /** Bytes a parameter of the model, where the size follows from that. */
  readonly width?: number;
}

const MODEL_FORMATS: readonly FormatItem[] = [
  {
    format: 'gguf',
    label: 'Adapter for llama.cpp',
    help: 'one GGUF file, loaded with --lora beside the base model',
  },
  {
    format: 'merged',
    label: 'Merged model',
    help: 'a Hugging Face folder with the adapter in the weights, stored as the base model is',
  },
  {
    format: 'merged-f32',
    label: 'Merged model, full precision',
    help: 'the same in float32, without rounding',
    width: 4,
  },
  {
    format: 'onnx',
    label: 'Model for transformers.js',
    help: 'an ONNX folder that generates text in any web page',
    width: 4,
  },
];

const DATA_FORMATS: readonly FormatItem[] = [
  { format: 'trl', label: 'Pairs for TRL', help: 'prompt, chosen and rejected, as text and as messages' },
  {
    format: 'llama-factory',
    label: 'Pairs for LLaMA-Factory',
    help: 'a preference data set with its dataset_info entry',
  },
  {
    format: 'parquet',
    label: 'Answers as a table',
    help: 'every sampled answer with its similarity, as Parquet',
  },
  {
    format: 'cluster',
    label: 'Continue on a cluster',
    help: 'data, adapters and settings for TRL, DeepSpeed and vLLM',
  },
];

const FILES = [
  { path: 'pairs.jsonl', help: 'every target with its negatives, as tokens too' },
  { path: 'responses.jsonl', help: 'every sampled answer with its similarity' },
  { path: 'report.json', help: 'figures of all stages and the evaluation' },
  { path: 'run.json', help: 'settings, versions, seeds and fingerprints' },
] as const;

/** As hot as MT-Bench has most of its categories answered. */
const WARM = 0.7;

/** The adapter as the one plain button, everything else behind a menu. */
export function Exports() {
  const [working, setWorking] = useState(false);
  const [chosen, setChosen] = useState<Arm | null>(null);
  const partly = view.value.stages.dpo.state !== 'done';
  const arm =
    chosen !== null && !(partly && chosen === 'selfContrast') ? chosen : partly ? 'sft' : 'selfContrast';
  const during = (work: Promise<void>) => {
    setWorking(true);
    void work.finally(() => setWorking(false));
  };
  const { value: now } = exporting;
  if (now !== null) return <Progress what={now.what} share={now.share} />;
  const off = busy.value || working;
  const act = (close: () => void, work: () => Promise<void>) => () => {
    close();
    during(work());
  };
  return (
    <div class="row exports-row">
      <button type="button" class="button primary" disabled={off} onClick={() => during(downloadAdapter())}>
        <Icon name="download" />{' '}
        {working ? 'Preparing' : partly ? 'Download SFT adapter' : 'Download adapter'}
      </button>
      <Menu
        right
        class="button"
        disabled={off}
        label={
          <>
            Other formats <Icon name="down" />
          </>
        }
      >
        {(close) => (
          <div class="exports">
            <Arms arm={arm} partly={partly} choose={setChosen} />
            <Group label="The model">
              {MODEL_FORMATS.map((item) => (
                <Item
                  key={item.format}
                  {...item}
                  disabled={item.format === 'gguf' && arm === 'base'}
                  onClick={act(close, () => downloadFormat(item.format, arm, item.label))}
                />
              ))}
            </Group>
            <Group label="The data">
              {DATA_FORMATS.map((item) => (
                <Item
                  key={item.format}
                  {...item}
                  onClick={act(close, () => downloadFormat(item.format, arm, item.label))}
                />
              ))}
              {FILES.map(({ path, help }) => (
                <Item
                  key={path}
                  mono
                  label={path}
                  help={help}
                  onClick={act(close, () => downloadFile(path))}
                />
              ))}
            </Group>
            <Group label="The report">
              <Item
                label="Report"
                help="figures with intervals, answers, diagnosis and settings as one web page that opens offline"
                onClick={act(close, () => downloadRunReport('report.html'))}
              />
              <Item
                label="… with its data"
                help="the same with Markdown, and the figures as CSV and JSON, as a zip"
                onClick={act(close, () => downloadRunReport('all'))}
              />
            </Group>
            <Group label="For a judge">
              {[0, WARM].map((temperature) => (
                <Item
                  key={temperature}
                  label={temperature === 0 ? 'Answer a benchmark file…' : `… at temperature ${temperature}`}
                  help={
                    temperature === 0
                      ? 'prompts of MT-Bench (both turns) or AlpacaEval, answered greedily in their own formats'
                      : 'the same with some chance in the answers'
                  }
                  onClick={act(close, () => answerFile({ ...DEFAULT_ANSWERS, arm, temperature }))}
                />
              ))}
            </Group>
          </div>
        )}
      </Menu>
    </div>
  );
}

/** Whose weights are exported or answer. */
function Arms({ arm, partly, choose }: { arm: Arm; partly: boolean; choose: (arm: Arm) => void }) {
  return (
    <section aria-label="Whose weights" class="exports-arms">
      {ARMS.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={each === arm}
          disabled={partly && each === 'selfContrast'}
          class={`item arm-${each}`}
          onClick={() => choose(each)}
        >
          <span class="arm">{ARM_NAME[each]}</span>
          {each === arm && <Icon name="check" />}
        </button>
      ))}
    </section>
  );
}

function Group({ label, children }: { label: string; children: preact.ComponentChildren }) {
  return (
    <section aria-label={label}>
      <hr />
      <p class="label">{label}</p>
      {children}
    </section>
  );
}

interface ItemProps {
  readonly label: string;
  readonly help: string;
  readonly width?: number;
  readonly mono?: boolean;
  readonly disabled?: boolean;
  readonly onClick: () => void;
}

function Item({ label, help, width, mono, disabled, onClick }: ItemProps) {
  const parameters = view.value.model?.parameterCount;
  const size = width === undefined || parameters === undefined ? null : bytes(width * parameters);
  return (
    <button type="button" class="item" disabled={disabled} onClick={onClick}>
      <span class="stack">
        <span class={mono ? 'mono' : ''}>{label}</span>
        <span class="small muted">{help}</span>
      </span>
      {size !== null && <span class="small muted">{size}</span>}
    </button>
  );
}

function Progress({ what, share }: { what: string; share: number }) {
  return (
    <div class="row exports-progress" role="status">
      <span>
        {what} <span class="muted">{Math.floor(100 * share)} %</span>
      </span>
      <progress max={1} value={share} aria-label={what} />
      <button type="button" class="button" onClick={() => void cancelExport()}>
        Stop
      </button>
    </div>
  );
}
