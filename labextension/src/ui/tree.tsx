/**
 * A tree that stays fast with thousands of rows: only the visible rows are in the page. The arrow
 * keys move, expand and collapse; Enter expands a branch or opens a leaf; Tab reaches the buttons
 * of a row.
 */
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import { KeyboardEvent, ReactNode } from 'react';
import { useRows } from './rows';

/** The position of a row in the tree. */
export interface TreeRow {
  key: string;
  /** Its depth, from 1. */
  level: number;
  /** Whether it is expanded; undefined for a leaf. */
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
  /** Handle other keys on a row; returns whether it handled this one. */
  onKey?: (row: T, event: KeyboardEvent) => boolean;
  onMouseDown?: (row: T, event: React.MouseEvent) => void;
  empty?: ReactNode;
}

const keyOf = (row: TreeRow) => row.key;

export function TreeList<T extends TreeRow>(props: TreeProps<T>): JSX.Element {
  const { rows } = props;
  const { scroller, virtualizer, current, choose, move, onMoveKey } = useRows(
    rows,
    keyOf,
    props.heightOf
  );

  const onKeyDown = (event: KeyboardEvent, row: T) => {
    if (event.target !== event.currentTarget) {
      return; // the key is for a button in the row
    }
    const isRtl = getComputedStyle(event.currentTarget).direction === 'rtl';
    const inward = isRtl ? 'ArrowLeft' : 'ArrowRight';
    const outward = isRtl ? 'ArrowRight' : 'ArrowLeft';
    if (event.key === inward && row.isOpen !== undefined) {
      if (row.isOpen) {
        move(current + 1);
      } else {
        props.onToggle(row, true);
      }
    } else if (event.key === outward) {
      if (row.isOpen) {
        props.onToggle(row, false);
      } else {
        const parent = rows
          .slice(0, current)
          .map(one => one.level)
          .lastIndexOf(row.level - 1);
        if (parent >= 0) {
          move(parent);
        }
      }
    } else if (event.key === 'Enter') {
      open(row);
    } else if (!onMoveKey(event) && !props.onKey?.(row, event)) {
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
    <div className="jp-Bridge-list" ref={scroller}>
      <div
        role="tree"
        aria-label={props.label}
        style={{ height: virtualizer.getTotalSize(), position: 'relative' }}
      >
        {virtualizer.getVirtualItems().map(one => {
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
              tabIndex={one.index === current ? 0 : -1}
              className="jp-Bridge-row jp-Bridge-branch"
              style={{
                height: one.size,
                paddingInlineStart: 4 + (row.level - 1) * 14,
                transform: `translateY(${one.start}px)`
              }}
              onFocus={() => choose(row.key)}
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
