import { useState } from 'preact/hooks';
import type { Arm } from '../../pipeline/types.ts';
import { chatWith } from '../actions.ts';
import { busy, view } from '../signals.ts';
import type { RunView } from '../state.ts';
import { ARM_NAME, ARMS } from '../verdict.ts';

interface Turn {
  readonly said: string;
  readonly replies: Readonly<Partial<Record<Arm, string>>>;
}

/** The arms whose adapter exists already. */
function armsOf(run: RunView): Arm[] {
  return ARMS.filter((arm) => {
    if (arm === 'base') return run.stages.model.state === 'done';
    return run.stages[arm === 'sft' ? 'sft' : 'dpo'].state === 'done';
  });
}

/** One question to the three models, answers side by side. */
export function Chat() {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [text, setText] = useState('');
  const [temperature, setTemperature] = useState(0);
  const [working, setWorking] = useState(false);
  const arms = armsOf(view.value);
  if (arms.length === 0) return null;

  const ask = async () => {
    const said = text.trim();
    if (said === '' || working || busy.value) return;
    setText('');
    setWorking(true);
    const before = turns;
    let replies: Turn['replies'] = {};
    setTurns([...before, { said, replies }]);
    for (const arm of arms) {
      const history = before.flatMap((turn) => [
        { role: 'user' as const, content: turn.said },
        { role: 'assistant' as const, content: turn.replies[arm] ?? '' },
      ]);
      const messages = [...history, { role: 'user' as const, content: said }];
      const put = (reply: string) => {
        replies = { ...replies, [arm]: reply };
        setTurns([...before, { said, replies }]);
      };
      const reply = await chatWith(arm, messages, { temperature, seed: before.length + 1 }, put);
      if (reply === null) break;
      put(reply);
    }
    setWorking(false);
  };

  return (
    <section class="card">
      <header>
        <h3>
          Ask {arms.length === 1 ? 'the model' : arms.length === 3 ? 'the three models' : 'both models'}
        </h3>
        {turns.length > 0 && (
          <button type="button" class="link small" disabled={working} onClick={() => setTurns([])}>
            Start over
          </button>
        )}
      </header>
      {turns.length > 0 && (
        <div class="chat" role="log" aria-busy={working} style={{ gridTemplateColumns: undefined }}>
          {turns.map((turn, at) => (
            <ChatTurn key={at} turn={turn} arms={arms} />
          ))}
        </div>
      )}
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <input
          class="input"
          style={{ flex: '1 1 260px' }}
          aria-label="Your message to the models"
          placeholder={busy.value ? 'Pause the run to ask' : 'A prompt like those in your data'}
          disabled={busy.value}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <label
          class="row small muted"
          data-tip="0 always gives the likeliest answer; 1 samples as in training."
        >
          temperature
          <select
            class="input"
            style={{ width: 'auto' }}
            value={String(temperature)}
            onChange={(event) => setTemperature(Number(event.currentTarget.value))}
          >
            <option value="0">0</option>
            <option value="0.7">0.7</option>
            <option value="1">1</option>
          </select>
        </label>
        <button type="submit" class="button primary" disabled={busy.value || working || text.trim() === ''}>
          {working ? 'Answering' : 'Ask'}
        </button>
      </form>
    </section>
  );
}

function ChatTurn({ turn, arms }: { turn: Turn; arms: readonly Arm[] }) {
  return (
    <>
      <p class="said text">{turn.said}</p>
      {arms.map((arm) => (
        <div key={arm} class={`reply arm-${arm}`}>
          <span class="arm small">{ARM_NAME[arm]}</span>
          <p class="text">{turn.replies[arm] ?? <span class="muted">waiting</span>}</p>
        </div>
      ))}
    </>
  );
}
