import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

interface MenuProps {
  readonly label: ComponentChildren;
  /** Said to screen readers where the label alone is not clear. */
  readonly name?: string;
  readonly class?: string;
  readonly right?: boolean;
  readonly disabled?: boolean;
  /** Rendered while open; items are buttons of class "item". */
  readonly children: (close: () => void) => ComponentChildren;
}

/** A button with a menu: arrow keys move, Escape and a click elsewhere close it. */
export function Menu({ label, name, class: kind = 'button plain', right, disabled, children }: MenuProps) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const items = () => [...(box.current?.querySelectorAll<HTMLElement>('.item:not(:disabled)') ?? [])];

  useEffect(() => {
    if (!open) return;
    items()[0]?.focus();
    const outside = (event: Event) => {
      if (event.target instanceof Node && box.current?.contains(event.target) !== true) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    document.addEventListener('focusin', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      document.removeEventListener('focusin', outside);
    };
  }, [open]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      close();
    }
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const all = items();
    const at = all.findIndex((item) => item.matches(':focus'));
    all[(at + step + all.length) % all.length]?.focus();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys of the buttons inside, as they bubble
    <div class="menu-box" ref={box} onKeyDown={onKeyDown}>
      <button
        type="button"
        ref={button}
        class={kind}
        disabled={disabled}
        aria-haspopup="true"
        aria-expanded={open}
        aria-label={name}
        onClick={() => setOpen(!open)}
      >
        {label}
      </button>
      {open && <div class={right ? 'menu right' : 'menu'}>{children(close)}</div>}
    </div>
  );
}
