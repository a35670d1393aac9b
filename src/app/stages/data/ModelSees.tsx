import { useEffect, useRef, useState } from 'preact/hooks';
import type { DataRow } from '../../../pipeline/types.ts';
import type { SeenRow } from '../../../pipeline/worker-api.ts';
import { seeRow } from '../../actions.ts';
import { count } from '../../format.ts';
import { busy } from '../../signals.ts';
import { TokenView } from '../TokenView.tsx';

/** The chosen row as token pieces. Only the model's own tokenizer can tell, so it is asked on a click. */
export function ModelSees({ row, name }: { row: DataRow | undefined; name: string }) {
  const [seen, setSeen] = useState<{ row: DataRow; tokens: SeenRow } | null>(null);
  const [working, setWorking] = useState(false);
  const latest = useRef<DataRow | undefined>(row);
  latest.current = row;

  const show = async (asked: DataRow) => {
    setWorking(true);
    const tokens = await seeRow(asked);
    setWorking(false);
    if (tokens !== null && latest.current === asked) setSeen({ row: asked, tokens });
  };
  // Once the model is read, the tokens follow the chosen row.
  useEffect(() => {
    if (seen !== null && row !== undefined && seen.row !== row && !busy.value) void show(row);
  }, [row]);

  const current = seen !== null && seen.row === row ? seen.tokens : null;
  return (
    <section class="card">
      <header>
        <h3>{name} as the model sees it</h3>
        {current === null && row !== undefined && (
          <button
            type="button"
            class="button"
            disabled={busy.value || working}
            onClick={() => void show(row)}
          >
            {working ? 'Reading the model' : 'Show the tokens'}
          </button>
        )}
      </header>
      {current === null ? (
        <p class="muted">
          The conversation in the model's chat template, then the target. Training counts only the tokens of
          the target: the loss mask.
        </p>
      ) : (
        <>
          <TokenView
            prompt={current.prompt}
            target={current.target}
            counts={[current.promptTokens, current.targetTokens]}
          />
          <TooLong seen={current} />
        </>
      )}
    </section>
  );
}

function TooLong({ seen }: { seen: SeenRow }) {
  const tokens = seen.promptTokens + seen.targetTokens;
  const context = seen.model.contextLength;
  if (tokens <= context) return null;
  return (
    <p class="warn">
      {count(tokens)} tokens are more than the model's context of {count(context)}: the run will refuse this
      row.
    </p>
  );
}
