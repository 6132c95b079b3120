/**
 * A list that stays quick with thousands of rows: only those in sight are in the page. The arrow keys
 * move between rows, Enter opens one; what a row offers is reached by Tab.
 */
import { KeyboardEvent, ReactNode, useEffect, useRef } from 'react';
import { useRows } from './rows';

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

export function List<T>(props: ListProps<T>): JSX.Element {
  const { items, keyOf, height } = props;
  const { place, inSight, at, choose, moveBy } = useRows(items, keyOf, () => height);

  const isAtEnd = useRef(true);
  useEffect(() => {
    if (props.follow && isAtEnd.current && items.length) {
      inSight.scrollToIndex(items.length - 1, { align: 'end' });
    }
  }, [inSight, items.length, props.follow]);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = place.current!;
    isAtEnd.current = scrollTop + clientHeight >= scrollHeight - height;
  };

  const onKeyDown = (event: KeyboardEvent, item: T) => {
    if (event.target !== event.currentTarget) {
      return; // a button within the row
    }
    if (event.key === 'Enter' && props.onOpen) {
      props.onOpen(item);
    } else if (!moveBy(event) && !props.onKey?.(item, event)) {
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
        style={{ height: inSight.getTotalSize(), position: 'relative' }}
      >
        {inSight.getVirtualItems().map(row => {
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
