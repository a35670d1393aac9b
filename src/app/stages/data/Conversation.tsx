import type { DataRow } from '../../../pipeline/types.ts';
import { count } from '../../format.ts';

const ROLE: Readonly<Record<string, string>> = { system: 'System', user: 'User', assistant: 'Assistant' };

/** Longest text shown whole, in characters; the list beside would not scroll any more with megabytes on the page. */
const SHOWN = 20_000;

/** A row as the conversation that it is: earlier turns, the prompt, the target, and what the data rejects. */
export function Conversation({ row }: { row: DataRow }) {
  const { history = [], prompt, target, rejected = [] } = row;
  return (
    <dl class="turns">
      {history.map(({ role, content }, at) => (
        <Turn key={`${at} ${role}`} kind="" name={ROLE[role] ?? role} text={content} />
      ))}
      <Turn kind="" name="Prompt" text={prompt} />
      {target === undefined ? (
        <div class="turn">
          <dt>Target</dt>
          <dd class="muted">none: this row is only asked, for evaluation</dd>
        </div>
      ) : (
        <Turn kind="target" name="Target" text={target} />
      )}
      {rejected.map((text, at) => (
        <Turn
          key={`rejected ${at}`}
          kind="rejected"
          name={rejected.length === 1 ? 'Rejected' : `Rejected ${at + 1}`}
          text={text}
        />
      ))}
    </dl>
  );
}

function Turn({ kind, name, text }: { kind: string; name: string; text: string }) {
  return (
    <div class={`turn ${kind}`}>
      <dt>{name}</dt>
      <dd class="text" dir="auto">
        {text.slice(0, SHOWN)}
        {text.length > SHOWN && (
          <span class="muted"> … ({count(text.length - SHOWN)} more characters, not shown)</span>
        )}
      </dd>
    </div>
  );
}
