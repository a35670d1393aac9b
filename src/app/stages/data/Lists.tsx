import type { DataRow, RefusedRow } from '../../../pipeline/types.ts';
import { VirtualList } from '../../components/VirtualList.tsx';
import { count } from '../../format.ts';
import type { Paged } from '../../paged.ts';

const ROW = 32;
const HEIGHT = 290;
const COLUMNS = '60px 5fr 4fr';
/** Characters of a text that can be in sight in one line. */
const SIGHT = 300;

interface RowListProps {
  readonly rows: Paged<DataRow>;
  readonly selected: number;
  readonly onSelect: (index: number) => void;
}

/** Rows to choose one from. */
export function RowList({ rows, selected, onSelect }: RowListProps) {
  return (
    <div>
      <div class="vhead" style={{ gridTemplateColumns: COLUMNS }} aria-hidden="true">
        <span>#</span>
        <span>Prompt</span>
        <span>Target</span>
      </div>
      <VirtualList
        label="Rows"
        count={rows.length}
        rowHeight={ROW}
        height={HEIGHT}
        columns={COLUMNS}
        selected={selected}
        onSelect={onSelect}
        render={(index) => <RowLine index={index} row={rows.at(index)} />}
      />
    </div>
  );
}

function RowLine({ index, row }: { index: number; row: DataRow | undefined }) {
  const turns = row?.history?.filter(({ role }) => role !== 'system').length ?? 0;
  return (
    <>
      <span class="muted small">{count(index + 1)}</span>
      <span class="clip">
        {turns > 0 && <span class="tag">{turns} earlier</span>} {row?.prompt.slice(0, SIGHT)}
      </span>
      <span class="clip">
        {row !== undefined && row.target === undefined && <span class="tag">for evaluation</span>}
        {row?.rejected !== undefined && <span class="tag">{row.rejected.length} rejected</span>}{' '}
        {row?.target?.slice(0, SIGHT)}
      </span>
    </>
  );
}

/** Lines of the file that are not among the rows, and why. */
export function ReasonList({ label, rows }: { label: string; rows: Paged<RefusedRow> }) {
  return (
    <VirtualList
      label={label}
      count={rows.length}
      rowHeight={ROW}
      height={HEIGHT}
      columns="minmax(90px, max-content) 1fr"
      render={(index) => {
        const row = rows.at(index);
        if (row === undefined) return <span class="muted small">{count(index + 1)}</span>;
        return (
          <>
            <span class="muted clip">
              {row.file !== undefined && <bdi>{row.file}, </bdi>}line {count(row.line)}
            </span>
            <span class="clip" title={row.reason.slice(0, SIGHT)}>
              {row.reason.slice(0, SIGHT)}
            </span>
          </>
        );
      }}
    />
  );
}
