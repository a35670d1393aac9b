import { useState } from 'preact/hooks';
import { visibleLines } from '../../model/text.ts';
import { lowerRate } from '../../pipeline/diverged.ts';
import { openStage, redoLower, resumeLower, resumeOnWasm, start } from '../actions.ts';
import { config } from '../settings.ts';
import { busy, type ProblemAction, problem } from '../signals.ts';
import { STAGE_NAME } from '../stagetext.ts';
import { Icon } from './Icon.tsx';

const ACTION: Readonly<Record<ProblemAction, { readonly label: string; readonly act: () => void }>> = {
  resume: { label: 'Resume', act: () => void start() },
  reload: { label: 'Reload the page', act: () => window.location.reload() },
  wasm: { label: 'Use WebAssembly and resume', act: () => void resumeOnWasm() },
  'lower-sft': { label: 'Lower the learning rate and resume', act: () => void resumeLower('sft') },
  fit: { label: 'Show settings that fit', act: () => openStage('model') },
  'lower-dpo': { label: 'Lower the learning rate and resume', act: () => void resumeLower('dpo') },
};

function Actions({ action }: { action: ProblemAction }) {
  const { label, act } = ACTION[action];
  const stage = action === 'lower-sft' ? 'sft' : action === 'lower-dpo' ? 'dpo' : null;
  const rate = stage === null ? 0 : config.value[stage].learningRate;
  return (
    <div class="row">
      <button
        type="button"
        class="button"
        disabled={action !== 'reload' && action !== 'fit' && busy.value}
        onClick={act}
        {...(stage === null ? {} : { 'data-tip': `From ${rate} to ${lowerRate(rate)}.` })}
      >
        {label}
      </button>
      {stage !== null && (
        <button
          type="button"
          class="button"
          disabled={busy.value}
          data-tip={`From ${rate} to ${lowerRate(rate)}; what ${STAGE_NAME[stage]} has done so far is thrown away.`}
          onClick={() => void redoLower(stage)}
        >
          Lower it and do {STAGE_NAME[stage]} again
        </button>
      )}
    </div>
  );
}

/** What happened, what is safe, what to do; details to copy. Stays until it is closed. */
export function Banner() {
  const now = problem.value;
  const [copied, setCopied] = useState('');
  if (now === null) return null;
  const title = visibleLines(now.title);
  const details = visibleLines(now.details);
  const text = `${title}\n${details}`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(text);
    } catch {
      setCopied('');
    }
  };
  return (
    <section class="notice error-box" role="alert">
      <Icon name="warning" />
      <div class="stack">
        <h3>{title}</h3>
        {now.safe !== '' && <p>{now.safe}</p>}
        {now.advice !== '' && <p>{now.advice}</p>}
        {now.reasons !== undefined && now.reasons.length > 0 && (
          <ul class="reasons" aria-label="Likely reasons">
            {now.reasons.map((reason) => (
              <li key={reason}>{visibleLines(reason)}</li>
            ))}
          </ul>
        )}
        {now.action !== undefined && <Actions action={now.action} />}
        {now.details !== '' && (
          <details>
            <summary>Details</summary>
            <div class="stack">
              <pre class="details">{details}</pre>
              <button
                type="button"
                class="button"
                style={{ alignSelf: 'flex-start' }}
                onClick={() => void copy()}
              >
                {copied === text ? 'Copied' : 'Copy details'}
              </button>
            </div>
          </details>
        )}
      </div>
      <button
        type="button"
        class="button plain square"
        aria-label="Close this message"
        onClick={() => {
          problem.value = null;
        }}
      >
        <Icon name="cross" />
      </button>
    </section>
  );
}
