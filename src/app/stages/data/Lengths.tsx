import { useMemo } from 'preact/hooks';
import { Histogram } from '../../components/Histogram.tsx';
import { count, plural } from '../../format.ts';
import { weighted } from '../../histogram.ts';
import { records, view } from '../../signals.ts';

/** How long the training rows are, from the counts stored with the run. */
export function Lengths() {
  const { prepared } = records.value;
  const context = view.value.model?.contextLength;
  const shown = useMemo(() => {
    const lengths = prepared?.info.lengths ?? [];
    const longest = lengths.at(-1)?.[0];
    if (longest === undefined) return null;
    let cut = 0;
    for (const [tokens, rows] of lengths) if (context !== undefined && tokens >= context) cut += rows;
    const bins = weighted(lengths, longest < 60 ? longest + 1 : 48, [0, longest + 1]);
    return { bins, longest, cut };
  }, [prepared, context]);
  if (shown === null) return null;
  const inSight = context !== undefined && context <= shown.longest;
  return (
    <section class="card">
      <header>
        <h3>Tokens a row</h3>
        <span class="small muted">
          longest {count(shown.longest)}
          {context !== undefined && `, context ${count(context)}`}
        </span>
      </header>
      <Histogram
        bins={shown.bins}
        kinds={[{ label: 'rows', color: '--accent' }]}
        height={110}
        axis="tokens of prompt and target"
        format={(value) => count(Math.round(value))}
        describe={`Token lengths of ${plural(prepared?.info.train ?? 0, 'row')}; the longest has ${shown.longest} tokens.`}
        line={inSight ? { at: context, label: 'the model’s context' } : undefined}
      />
      {shown.cut > 0 && (
        <p class="warn">
          {plural(shown.cut, 'row')} reach the end of the context and leave no room to answer.
        </p>
      )}
    </section>
  );
}
