/**
 * A tree that stays quick with thousands of rows: only those in sight are in the page. The arrow keys
 * move, open and close; Enter opens what is no branch; what a row offers is reached by Tab.
 */
import { useVirtualizer } from '@tanstack/react-virtual';
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import { KeyboardEvent, ReactNode, useEffect, useRef, useState } from 'react';

/** What a row must tell of itself. */
export interface TreeRow {
  key: string;
  /** From 1. */
  level: number;
  /** Undefined where nothing can be below. */
  isOpen?: boolean;
  position: number;
  siblings: number;
}

export interface TreeProps<T extends TreeRow> {
  label: string;
  rows: readonly T[];
  /** A row's height, pixels. */
  heightOf: (row: T) => number;
  render: (row: T) => ReactNode;
  onToggle: (row: T, open: boolean) => void;
  onOpen?: (row: T) => void;
  onContextMenu?: (row: T, event: React.MouseEvent) => void;
  /** Further keys on a row; true if it was one of them. */
  onKey?: (row: T, event: KeyboardEvent) => boolean;
  onMouseDown?: (row: T, event: React.MouseEvent) => void;
  empty?: ReactNode;
}

/** Rows beyond the edge that are kept in the page, so that scrolling shows no holes. */
const OVERSCAN = 8;
const PAGE = 10;

export function TreeList<T extends TreeRow>(props: TreeProps<T>): JSX.Element {
  const { rows } = props;
  const place = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState<string | null>(null);
  const moved = useRef(false);
  const shown = useVirtualizer({
    count: rows.length,
    getScrollElement: () => place.current,
    estimateSize: at => props.heightOf(rows[at]),
    getItemKey: at => rows[at].key,
    overscan: OVERSCAN
  });
  const at = Math.max(
    0,
    rows.findIndex(row => row.key === current)
  );

  useEffect(() => {
    if (moved.current) {
      moved.current = false;
      place.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
    }
  });

  const move = (to: number) => {
    const found = Math.min(Math.max(to, 0), rows.length - 1);
    moved.current = true;
    shown.scrollToIndex(found);
    setCurrent(rows[found].key);
  };

  const onKeyDown = (event: KeyboardEvent, row: T) => {
    if (event.target !== event.currentTarget) {
      return; // a button within the row
    }
    const steps: Record<string, number> = {
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      PageUp: at - PAGE,
      PageDown: at + PAGE,
      Home: 0,
      End: rows.length - 1
    };
    const isRtl = getComputedStyle(event.currentTarget).direction === 'rtl';
    const inward = isRtl ? 'ArrowLeft' : 'ArrowRight';
    const outward = isRtl ? 'ArrowRight' : 'ArrowLeft';
    if (event.key in steps) {
      move(steps[event.key]);
    } else if (event.key === inward && row.isOpen !== undefined) {
      if (row.isOpen) {
        move(at + 1);
      } else {
        props.onToggle(row, true);
      }
    } else if (event.key === outward) {
      if (row.isOpen) {
        props.onToggle(row, false);
      } else {
        const above = rows.slice(0, at).map(one => one.level);
        move(Math.max(0, above.lastIndexOf(row.level - 1)));
      }
    } else if (event.key === 'Enter') {
      open(row);
    } else if (!props.onKey?.(row, event)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const open = (row: T) => {
    if (row.isOpen === undefined) {
      props.onOpen?.(row);
    } else {
      props.onToggle(row, !row.isOpen);
    }
  };

  if (rows.length === 0) {
    return <div className="jp-Bridge-empty">{props.empty}</div>;
  }
  return (
    <div className="jp-Bridge-list" ref={place}>
      <div
        role="tree"
        aria-label={props.label}
        style={{ height: shown.getTotalSize(), position: 'relative' }}
      >
        {shown.getVirtualItems().map(one => {
          const row = rows[one.index];
          return (
            <div
              key={one.key}
              role="treeitem"
              aria-level={row.level}
              aria-expanded={row.isOpen}
              aria-setsize={row.siblings}
              aria-posinset={row.position}
              data-at={one.index}
              tabIndex={one.index === at ? 0 : -1}
              className="jp-Bridge-row jp-Bridge-branch"
              style={{
                height: one.size,
                paddingInlineStart: 4 + (row.level - 1) * 14,
                transform: `translateY(${one.start}px)`
              }}
              onFocus={() => setCurrent(row.key)}
              onKeyDown={event => onKeyDown(event, row)}
              onDoubleClick={() => open(row)}
              onMouseDown={event => props.onMouseDown?.(row, event)}
              onContextMenu={event => props.onContextMenu?.(row, event)}
            >
              <span
                className="jp-Bridge-caret"
                aria-hidden="true"
                onClick={() => row.isOpen !== undefined && props.onToggle(row, !row.isOpen)}
              >
                {row.isOpen === undefined ? null : row.isOpen ? (
                  <caretDownIcon.react tag="span" elementSize="normal" />
                ) : (
                  <caretRightIcon.react tag="span" elementSize="normal" />
                )}
              </span>
              {props.render(row)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
