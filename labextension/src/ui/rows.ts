/**
 * The common part of `List` and `TreeList`: only the visible rows of thousands are in the page, Tab
 * reaches the current row, and the arrow keys move between rows.
 */
import { useVirtualizer, Virtualizer } from '@tanstack/react-virtual';
import { KeyboardEvent, RefObject, useEffect, useRef, useState } from 'react';

/** Rows beyond the edge that are rendered too, so that scrolling shows no gaps. */
const OVERSCAN = 8;
/** Rows that PageUp and PageDown move by. */
const PAGE = 10;

export interface Rows {
  /** For the element that scrolls; the rows are below it, the current one with a tabindex of 0. */
  scroller: RefObject<HTMLDivElement>;
  virtualizer: Virtualizer<HTMLDivElement, Element>;
  /** The index of the current row; 0 until a row is chosen. */
  current: number;
  choose: (key: string) => void;
  /** Make the row at this index (or the nearest that exists) the current one, and focus it. */
  move: (to: number) => void;
  /** Move if this is a key that moves; returns whether it is. */
  onMoveKey: (event: KeyboardEvent) => boolean;
}

export function useRows<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  heightOf: (item: T) => number
): Rows {
  const scroller = useRef<HTMLDivElement>(null);
  const [chosen, choose] = useState<string | null>(null);
  const toFocus = useRef<string | null>(null);
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: at => heightOf(items[at]),
    getItemKey: at => keyOf(items[at]),
    overscan: OVERSCAN
  });
  const current = Math.max(
    0,
    items.findIndex(item => keyOf(item) === chosen)
  );

  // A distant row is in the page only some renderings after the scrolling. An effect of an earlier
  // rendering may run after the key and know another row, so it focuses only its own.
  useEffect(() => {
    const row = scroller.current?.querySelector<HTMLElement>('[tabindex="0"]');
    if (row && chosen !== null && toFocus.current === chosen) {
      toFocus.current = null;
      row.focus();
    }
  });

  const move = (to: number) => {
    const index = Math.min(Math.max(to, 0), items.length - 1);
    if (index === current) {
      return; // nothing would be rendered now, and some later rendering would take the focus
    }
    toFocus.current = keyOf(items[index]);
    virtualizer.scrollToIndex(index);
    choose(toFocus.current);
  };

  const onMoveKey = ({ key }: KeyboardEvent) => {
    const targets: Record<string, number> = {
      ArrowUp: current - 1,
      ArrowDown: current + 1,
      PageUp: current - PAGE,
      PageDown: current + PAGE,
      Home: 0,
      End: items.length - 1
    };
    if (!(key in targets)) {
      return false;
    }
    move(targets[key]);
    return true;
  };

  return { scroller, virtualizer, current, choose, move, onMoveKey };
}
