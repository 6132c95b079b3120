/**
 * What a list and a tree have in common: of thousands of rows only those in sight are in the page, one
 * of them can be reached by Tab, and the arrow keys move between them.
 */
import { useVirtualizer, Virtualizer } from '@tanstack/react-virtual';
import { KeyboardEvent, RefObject, useEffect, useRef, useState } from 'react';

/** Rows beyond the edge that are kept in the page, so that scrolling shows no holes. */
const OVERSCAN = 8;
/** Rows that PageUp and PageDown move by. */
const PAGE = 10;

export interface Rows {
  /** For the element that scrolls; the rows are below it, the chosen one with a tabindex of 0. */
  place: RefObject<HTMLDivElement>;
  inSight: Virtualizer<HTMLDivElement, Element>;
  /** Which row is the chosen one: the first until one is. */
  at: number;
  choose: (key: string) => void;
  /** Choose a row, or the one nearest to it that there is, and put the focus on it. */
  move: (to: number) => void;
  /** Move if this is a key that does; whether it is. */
  moveBy: (event: KeyboardEvent) => boolean;
}

export function useRows<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  heightOf: (item: T) => number
): Rows {
  const place = useRef<HTMLDivElement>(null);
  const [current, choose] = useState<string | null>(null);
  const moved = useRef<string | null>(null);
  const inSight = useVirtualizer({
    count: items.length,
    getScrollElement: () => place.current,
    estimateSize: at => heightOf(items[at]),
    getItemKey: at => keyOf(items[at]),
    overscan: OVERSCAN
  });
  const at = Math.max(
    0,
    items.findIndex(item => keyOf(item) === current)
  );

  // A row far away is in the page only after it was scrolled to: some renderings later. What is still
  // to be done for an earlier rendering may come behind the key, and knows of another row.
  useEffect(() => {
    const chosen = place.current?.querySelector<HTMLElement>('[tabindex="0"]');
    if (chosen && current !== null && moved.current === current) {
      moved.current = null;
      chosen.focus();
    }
  });

  const move = (to: number) => {
    const found = Math.min(Math.max(to, 0), items.length - 1);
    if (found === at) {
      return; // nothing would be rendered, and the next change would draw the focus here
    }
    moved.current = keyOf(items[found]);
    inSight.scrollToIndex(found);
    choose(moved.current);
  };

  const moveBy = ({ key }: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      PageUp: at - PAGE,
      PageDown: at + PAGE,
      Home: 0,
      End: items.length - 1
    };
    if (!(key in steps)) {
      return false;
    }
    move(steps[key]);
    return true;
  };

  return { place, inSight, at, choose, move, moveBy };
}
