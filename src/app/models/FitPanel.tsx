import { mayBeMore } from '../../model/device-memory.ts';
import type { Part, Phase, Place } from '../../model/fit.ts';
import type { Fit, Suggestion } from '../../pipeline/fit.ts';
import { applySuggestion } from '../actions.ts';
import { Icon } from '../components/Icon.tsx';
import { Term } from '../components/Tip.tsx';
import { bytes, percent } from '../format.ts';
import { busy } from '../signals.ts';

const PHASES: readonly { readonly phase: Phase; readonly label: string; readonly help: string }[] = [
  { phase: 'loading', label: 'Loading', help: 'While the model is read, tensor by tensor.' },
  { phase: 'training', label: 'SFT and DPO', help: 'A training step on the longest prompts and answers.' },
  { phase: 'sampling', label: 'Sampling', help: 'As many answers at a time as the settings say.' },
];

const PLACE: Readonly<Record<Place, readonly [name: string, help: string]>> = {
  heap: [
    'WebAssembly’s memory',
    'The runtime’s own memory on the processor. It ends at 4.3 GB whatever the machine has, and is given back only when the run stops.',
  ],
  gpu: [
    'Graphics memory',
    'Buffers on the graphics device. Browsers do not tell how much it has; the largest single buffer they do.',
  ],
  page: [
    'The worker’s other memory',
    'Tensors that are handed to the runtime, and files while they are read.',
  ],
};

/** What the run needs against what the device allows, and what to change where it does not fit. */
export function FitPanel({ fit }: { fit: Fit }) {
  const { need, fits, problems, trades, notes, suggestions } = fit;
  const parts = need.parts.filter((part) => part.bytes > 0);
  return (
    <section class="card" aria-label="Memory">
      <header>
        <h3>Memory</h3>
        <span class={fits ? 'mark good' : 'mark bad'}>
          <Icon name={fits ? 'check' : 'warning'} />
          {fits ? `Fits: ${bytes(need.peak)} at most` : `Does not fit: ${bytes(need.peak)} at most`}
        </span>
      </header>
      {problems.length > 0 && (
        <ul class="stack fit-words">
          {problems.map((problem) => (
            <li key={problem} class="bad">
              {problem}
            </li>
          ))}
        </ul>
      )}
      {suggestions.length > 0 && <Suggestions suggestions={suggestions} />}
      <Bars parts={parts} peak={need.peak} />
      <Legend parts={parts} />
      <Places fit={fit} />
      {trades.length > 0 && (
        <div class="stack fit-words">
          <p class="small muted">Traded for memory:</p>
          <ul class="reasons">
            {trades.map((trade) => (
              <li key={trade}>{trade}</li>
            ))}
          </ul>
        </div>
      )}
      {notes.length > 0 && <p class="small muted">{notes.join(' ')}</p>}
    </section>
  );
}

/** One bar a phase, all to the same scale; what they show stands in the legend in numbers. */
function Bars({ parts, peak }: { parts: readonly Part[]; peak: number }) {
  return (
    <dl class="fit-bars">
      {PHASES.map(({ phase, label, help }) => {
        const inPhase = parts.flatMap((part, at) => (part.phases.includes(phase) ? [{ part, at }] : []));
        const total = inPhase.reduce((sum, { part }) => sum + part.bytes, 0);
        return (
          <div key={phase}>
            <dt>
              <Term help={help}>{label}</Term>
            </dt>
            <dd class="fit-bar" aria-hidden="true">
              {inPhase.map(({ part, at }) => (
                <i
                  key={part.label}
                  class={`part-${at % PART_LOOKS}`}
                  style={{ width: percent(part.bytes / Math.max(1, peak), 2).replace(' ', '') }}
                  data-tip={`${part.label}, ${bytes(part.bytes)}: ${part.words}`}
                />
              ))}
            </dd>
            <dd class="num">{bytes(total)}</dd>
          </div>
        );
      })}
    </dl>
  );
}

/** Colours and hatchings in styles/models.css. */
const PART_LOOKS = 10;

function Legend({ parts }: { parts: readonly Part[] }) {
  return (
    <ul class="legend">
      {parts.map((part, at) => (
        <li key={part.label} class="row">
          <i class={`fit-swatch part-${at % PART_LOOKS}`} />
          <Term help={part.words}>{part.label}</Term> {bytes(part.bytes)}
        </li>
      ))}
    </ul>
  );
}

function Places({ fit: { need, limits, download } }: { fit: Fit }) {
  const gpu = limits.backend === 'webgpu';
  const place = (name: Place, used: number, limit: number | null) => ({ name: PLACE[name], used, limit });
  const lines = [
    ...(gpu ? [place('gpu', need.gpu, null)] : [place('heap', need.heap, limits.heap)]),
    ...(gpu && limits.maxBuffer !== null
      ? [
          {
            name: ['Largest buffer', 'The largest single tensor, and what one buffer may hold.'] as const,
            used: need.largestBuffer,
            limit: limits.maxBuffer,
          },
        ]
      : []),
    ...(limits.deviceMemory !== null
      ? [
          {
            name: [
              'The machine’s memory',
              'All but graphics memory, against what the browser tells: rounded, and never more than 8 or 32 GB whatever there is.',
            ] as const,
            used: need.machine,
            limit: mayBeMore(limits.deviceMemory) ? null : limits.deviceMemory,
          },
        ]
      : []),
    ...(download > 0 && limits.storageLeft !== null
      ? [
          {
            name: [
              'Storage',
              'The model’s files are kept in the browser’s storage, to work offline.',
            ] as const,
            used: download,
            limit: limits.storageLeft,
          },
        ]
      : []),
  ];
  return (
    <dl class="fit-places small">
      {lines.map(({ name: [name, help], used, limit }) => (
        <div key={name}>
          <dt>
            <Term help={help}>{name}</Term>
          </dt>
          <dd class={limit !== null && used > limit ? 'num bad' : 'num'}>
            {bytes(used)} {limit === null ? 'of an amount that is not told' : `of ${bytes(limit)}`}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Suggestions({ suggestions }: { suggestions: readonly Suggestion[] }) {
  return (
    <ul class="stack" aria-label="Settings that fit">
      {suggestions.map((suggestion) => (
        <li key={suggestion.words} class="fit-suggestion">
          <span>
            {suggestion.words} <span class="muted">{bytes(suggestion.need.peak)} at most.</span>
          </span>
          <button
            type="button"
            class="button"
            disabled={busy.value}
            onClick={() => applySuggestion(suggestion)}
          >
            Use this
          </button>
        </li>
      ))}
    </ul>
  );
}
