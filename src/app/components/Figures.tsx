import type { ComponentChildren } from 'preact';
import { Term } from './Tip.tsx';

export interface FigureItem {
  readonly label: string;
  readonly value: ComponentChildren;
  readonly unit?: string;
  readonly help?: string;
}

/** A row of a stage's few telling figures. */
export function Figures({ items }: { items: readonly FigureItem[] }) {
  return (
    <dl class="figures">
      {items.map(({ label, value, unit, help }) => (
        <div key={label}>
          <dt>{help === undefined ? label : <Term help={help}>{label}</Term>}</dt>
          <dd>
            {value}
            {unit !== undefined && <small> {unit}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
