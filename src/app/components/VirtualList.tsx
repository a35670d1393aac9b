import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

interface VirtualListProps {
  readonly label: string;
  readonly count: number;
  readonly rowHeight: number;
  readonly height: number;
  /** grid-template-columns of a row. */
  readonly columns: string;
  readonly render: (index: number) => ComponentChildren;
  /** With these two a row can be chosen: by click, arrow keys, Home, End, PageUp and PageDown choose a row. */
  readonly selected?: number;
  readonly onSelect?: (index: number) => void;
}

const OVERSCAN = 6;

/** Only the rows in sight exist: 100,000 of them scroll as smoothly as ten. */
export function VirtualList(props: VirtualListProps) {
  const { label, count, rowHeight, columns, render, selected, onSelect } = props;
  const [top, setTop] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const height = Math.min(props.height, Math.max(1, count) * rowHeight + 2);
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN);

  useEffect(() => {
    const element = box.current;
    if (element === null || selected === undefined) return;
    const from = selected * rowHeight;
    if (from < element.scrollTop) element.scrollTop = from;
    else if (from + rowHeight > element.scrollTop + element.clientHeight) {
      element.scrollTop = from + rowHeight - element.clientHeight;
    }
  }, [selected, rowHeight]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (onSelect === undefined || count === 0) return;
    const page = Math.max(1, Math.floor(height / rowHeight) - 1);
    const at = selected ?? -1;
    const targets: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: count - 1,
    };
    const next = targets[event.key];
    if (next === undefined) return;
    event.preventDefault();
    onSelect(Math.max(0, Math.min(count - 1, next)));
  };

  const rows = [];
  for (let index = first; index < last; index++) {
    const style = { top: `${index * rowHeight}px`, height: `${rowHeight}px`, gridTemplateColumns: columns };
    rows.push(
      // biome-ignore lint/a11y/useKeyWithClickEvents: the list itself takes the keys
      // biome-ignore lint/a11y/useFocusableInteractive: the list itself has the focus
      <div
        key={index}
        id={`${label}-${index}`.replaceAll(' ', '-')}
        class="vrow"
        style={style}
        role="option"
        aria-setsize={count}
        aria-posinset={index + 1}
        aria-selected={index === selected}
        aria-current={index === selected ? 'true' : undefined}
        onClick={onSelect === undefined ? undefined : () => onSelect(index)}
      >
        {render(index)}
      </div>,
    );
  }
  return (
    <div
      ref={box}
      class="vlist"
      style={{ height: `${height}px` }}
      role="listbox"
      aria-label={label}
      aria-activedescendant={selected === undefined ? undefined : `${label}-${selected}`.replaceAll(' ', '-')}
      tabIndex={0}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={onKeyDown}
    >
      <div class="sizer" style={{ height: `${count * rowHeight}px` }}>
        {rows}
      </div>
    </div>
  );
}
