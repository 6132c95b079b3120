/**
 * A list that stays fast with thousands of rows: only the visible rows are in the page. The arrow
 * keys move between rows, Enter opens a row, Tab reaches the buttons of a row.
 */
import { KeyboardEvent, ReactNode, useEffect, useRef } from 'react';
import { useRows } from './rows';

export interface ListProps<T> {
  /** The list's name, for screen readers. */
  label: string;
  items: readonly T[];
  keyOf: (item: T) => string;
  render: (item: T) => ReactNode;
  /** The height of every row, pixels. */
  height: number;
  /** Called on Enter and on a double click. */
  onOpen?: (item: T) => void;
  /** Called on a single click, which also selects the row. */
  onClick?: (item: T) => void;
  /** Whether to scroll to rows as they are added, unless the user has scrolled up. */
  follow?: boolean;
  onContextMenu?: (item: T, event: React.MouseEvent) => void;
  /** Handle other keys on a row; returns whether it handled this one. */
  onKey?: (item: T, event: KeyboardEvent) => boolean;
  /** Shown when there are no items. */
  empty?: ReactNode;
}

export function List<T>(props: ListProps<T>): JSX.Element {
  const { items, keyOf, height } = props;
  const { scroller, virtualizer, current, choose, onMoveKey } = useRows(items, keyOf, () => height);

  const isAtEnd = useRef(true);
  useEffect(() => {
    if (props.follow && isAtEnd.current && items.length) {
      virtualizer.scrollToIndex(items.length - 1, { align: 'end' });
    }
  }, [virtualizer, items.length, props.follow]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller.current!;
    isAtEnd.current = scrollTop + clientHeight >= scrollHeight - height;
  };

  const onKeyDown = (event: KeyboardEvent, item: T) => {
    if (event.target !== event.currentTarget) {
      return; // the key is for a button in the row
    }
    if (event.key === 'Enter' && props.onOpen) {
      props.onOpen(item);
    } else if (!onMoveKey(event) && !props.onKey?.(item, event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  if (items.length === 0) {
    return <div className="jp-Bridge-empty">{props.empty}</div>;
  }
  return (
    <div className="jp-Bridge-list" ref={scroller} onScroll={onScroll}>
      <div
        role="list"
        aria-label={props.label}
        style={{ height: virtualizer.getTotalSize(), position: 'relative' }}
      >
        {virtualizer.getVirtualItems().map(row => {
          const item = items[row.index];
          return (
            <div
              key={row.key}
              role="listitem"
              aria-setsize={items.length}
              aria-posinset={row.index + 1}
              tabIndex={row.index === current ? 0 : -1}
              className="jp-Bridge-row"
              style={{ height, transform: `translateY(${row.start}px)` }}
              onFocus={() => choose(keyOf(item))}
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
