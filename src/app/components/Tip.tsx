/**
 * Hover and focus help. Any element with `data-tip` shows it in one bubble; the same words stand in a hidden
 * element that the control names in aria-describedby, so that screen readers get them without the bubble.
 */
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef } from 'preact/hooks';

interface Shown {
  readonly text: string;
  readonly at: DOMRect;
  /** What it explains. */
  readonly of: HTMLElement;
}

const shown = signal<Shown | null>(null);

function carrier(event: Event): HTMLElement | null {
  return event.target instanceof Element ? event.target.closest<HTMLElement>('[data-tip]') : null;
}

/** The one bubble; put once into the page. */
export function TipBubble() {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let timer = 0;
    const show = (event: Event) => {
      const element = carrier(event);
      const bubble = event.target instanceof Node && box.current?.contains(event.target);
      window.clearTimeout(timer);
      if (bubble) return;
      const text = element?.dataset.tip;
      if (element === null || text === undefined || text === '') {
        timer = window.setTimeout(() => {
          shown.value = null;
        }, 120);
        return;
      }
      const open = () => {
        if (element.isConnected) shown.value = { text, at: element.getBoundingClientRect(), of: element };
      };
      if (event.type === 'focusin') {
        if (element.querySelector(':focus-visible') !== null || element.matches(':focus-visible')) open();
      } else timer = window.setTimeout(open, 250);
    };
    const hide = (event: Event) => {
      if (event instanceof KeyboardEvent && event.key !== 'Escape') return;
      window.clearTimeout(timer);
      shown.value = null;
    };
    // What a tip explains may go away under the pointer.
    const watch = new MutationObserver(() => {
      if (shown.value !== null && !shown.value.of.isConnected) shown.value = null;
    });
    watch.observe(document.body, { childList: true, subtree: true });
    document.addEventListener('pointerover', show);
    document.addEventListener('focusin', show);
    document.addEventListener('pointerdown', hide);
    document.addEventListener('keydown', hide);
    document.addEventListener('scroll', hide, true);
    return () => {
      window.clearTimeout(timer);
      watch.disconnect();
      document.removeEventListener('pointerover', show);
      document.removeEventListener('focusin', show);
      document.removeEventListener('pointerdown', hide);
      document.removeEventListener('keydown', hide);
      document.removeEventListener('scroll', hide, true);
    };
  }, []);
  const tip = shown.value;
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || tip === null) return;
    const { width, height } = element.getBoundingClientRect();
    const left = Math.max(8, Math.min(tip.at.left, window.innerWidth - width - 8));
    const below = tip.at.bottom + 6;
    const top = below + height > window.innerHeight - 8 ? Math.max(8, tip.at.top - height - 6) : below;
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
  }, [tip]);
  return tip === null ? null : (
    <div class="tip" ref={box} aria-hidden="true">
      {tip.text}
    </div>
  );
}

/** A word of the field with its explanation. */
export function Term({ help, children }: { help: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <>
      <button type="button" class="term" data-tip={help} aria-describedby={id}>
        {children}
      </button>
      <span class="sr" id={id}>
        {help}
      </span>
    </>
  );
}
