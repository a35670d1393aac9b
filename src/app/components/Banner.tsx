import { useState } from 'preact/hooks';
import { visibleLines } from '../../model/text.ts';
import { start } from '../actions.ts';
import { busy, problem } from '../signals.ts';
import { Icon } from './Icon.tsx';

function ActionButton({ action }: { action: 'resume' | 'reload' }) {
  const resume = action === 'resume';
  return (
    <button
      type="button"
      class="button"
      style={{ alignSelf: 'flex-start' }}
      disabled={resume && busy.value}
      onClick={() => (resume ? void start() : window.location.reload())}
    >
      {resume ? 'Resume' : 'Reload the page'}
    </button>
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
        {now.action !== undefined && <ActionButton action={now.action} />}
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
