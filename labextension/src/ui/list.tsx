/**
 * A list that stays quick with thousands of rows: only those in sight are in the page. The arrow keys
 * move between rows, Enter opens one; what a row offers is reached by Tab.
 */
import { useVirtualizer } from '@tanstack/react-virtual';
import { KeyboardEvent, ReactNode, useEffect, useRef, useState } from 'react';

export interface ListProps<T> {
  /** What is listed, for those who do not see it. */
  label: string;
  items: readonly T[];
  keyOf: (item: T) => string;
  render: (item: T) => ReactNode;
  /** Every row's height, pixels. */
  height: number;
  /** Enter, or a double click. */
  onOpen?: (item: T) => void;
  /** A single click; the row is chosen by it in any case. */
  onClick?: (item: T) => void;
  /** Whether the last row stays in sight while rows are added, unless the reader has scrolled up. */
  follow?: boolean;
  onContextMenu?: (item: T, event: React.MouseEvent) => void;
  /** Further keys on a row; true if it was one of them. */
  onKey?: (item: T, event: KeyboardEvent) => boolean;
  /** What stands there when there are no items. */
  empty?: ReactNode;
}

/** Rows beyond the edge that are kept in the page, so that scrolling shows no holes. */
const OVERSCAN = 8;
/** Rows that the arrow keys jump with PageUp and PageDown. */
const PAGE = 10;

export function List<T>(props: ListProps<T>): JSX.Element {
  const { items, keyOf, height } = props;
  const place = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState<string | null>(null);
  const moved = useRef(false);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => place.current,
    estimateSize: () => height,
    getItemKey: at => keyOf(items[at]),
    overscan: OVERSCAN
  });
  const at = Math.max(
    0,
    items.findIndex(item => keyOf(item) === current)
  );

  useEffect(() => {
    if (moved.current) {
      moved.current = false;
      place.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    }
  });

  const isAtEnd = useRef(true);
  useEffect(() => {
    if (props.follow && isAtEnd.current && items.length) {
      rows.scrollToIndex(items.length - 1, { align: 'end' });
    }
  }, [items.length, props.follow]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = place.current!;
    isAtEnd.current = scrollTop + clientHeight >= scrollHeight - height;
  };

  const move = (to: number) => {
    const found = Math.min(Math.max(to, 0), items.length - 1);
    moved.current = true;
    rows.scrollToIndex(found);
    setCurrent(keyOf(items[found]));
  };

  const onKeyDown = (event: KeyboardEvent, item: T) => {
    if (event.target !== event.currentTarget) {
      return; // a button within the row
    }
    const steps: Record<string, number> = {
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      PageUp: at - PAGE,
      PageDown: at + PAGE,
      Home: 0,
      End: items.length - 1
    };
    if (event.key in steps) {
      move(steps[event.key]);
    } else if (event.key === 'Enter' && props.onOpen) {
      props.onOpen(item);
    } else if (!props.onKey?.(item, event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  if (items.length === 0) {
    return <div className="jp-Bridge-empty">{props.empty}</div>;
  }
  return (
    <div className="jp-Bridge-list" ref={place} onScroll={onScroll}>
      <div
        role="list"
        aria-label={props.label}
        style={{ height: rows.getTotalSize(), position: 'relative' }}
      >
        {rows.getVirtualItems().map(row => {
          const item = items[row.index];
          return (
            <div
              key={row.key}
              role="listitem"
              aria-setsize={items.length}
              aria-posinset={row.index + 1}
              tabIndex={row.index === at ? 0 : -1}
              className="jp-Bridge-row"
              style={{ height, transform: `translateY(${row.start}px)` }}
              onFocus={() => setCurrent(keyOf(item))}
              onKeyDown={event => onKeyDown(event, item)}
              onClick={() => props.onClick?.(item)}
              onDoubleClick={() => props.onOpen?.(item)}
              onContextMenu={event => props.onContextMenu?.(item, event)}
            >
              {props.render(item)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
