import { count } from '../format.ts';
import { records } from '../signals.ts';
import { VirtualList } from './VirtualList.tsx';

interface PromptListProps {
  /** Prompt indices, in the order listed. */
  readonly indices: readonly number[];
  readonly selected: number | null;
  readonly onSelect: (index: number) => void;
  readonly height?: number;
}

/** The prompts of a run to choose one from. */
export function PromptList({ indices, selected, onSelect, height = 460 }: PromptListProps) {
  const train = records.value.prepared?.train;
  const at = selected === null ? -1 : indices.indexOf(selected);
  return (
    <VirtualList
      label="Prompts"
      count={indices.length}
      rowHeight={32}
      height={height}
      columns="36px 1fr"
      {...(at < 0 ? {} : { selected: at })}
      onSelect={(row) => {
        const index = indices[row];
        if (index !== undefined) onSelect(index);
      }}
      render={(row) => {
        const index = indices[row] ?? 0;
        return (
          <>
            <span class="muted small">{count(index + 1)}</span>
            <span class="clip">{train?.at(index)?.prompt ?? ''}</span>
          </>
        );
      }}
    />
  );
}
