/** The actions of a row: some have a button in the row, all are in its menu. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ellipsesIcon, LabIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';
import { KeyboardEvent, MouseEvent } from 'react';
import { IconButton } from './components';

export interface Action<T> {
  id: string;
  label: string;
  icon?: LabIcon;
  /** Whether the row has a button for it, besides the menu's item. */
  isButton?: boolean;
  /** Whether the item has this action now; default: always. */
  applies?: (item: T) => boolean;
  run: (item: T) => unknown;
}

/** Open the menu of all actions that apply, at a point of the window, pixels. */
export function openMenu<T>(actions: Action<T>[], item: T, x: number, y: number): void {
  const commands = new CommandRegistry();
  const menu = new Menu({ commands });
  for (const action of actions.filter(one => one.applies?.(item) ?? true)) {
    commands.addCommand(action.id, {
      label: action.label,
      icon: action.icon,
      execute: () => void action.run(item)
    });
    menu.addItem({ command: action.id });
  }
  const focused = document.activeElement as HTMLElement | null;
  menu.aboutToClose.connect(() => focused?.focus());
  menu.open(x, y);
}

/** The buttons of a row; the last opens the menu. */
export function Actions<T>(props: {
  actions: Action<T>[];
  item: T;
  trans: TranslationBundle;
}): JSX.Element {
  const { actions, item } = props;
  const buttons = actions.filter(one => one.isButton && (one.applies?.(item) ?? true));
  return (
    <>
      {buttons.map(one => (
        <IconButton
          key={one.id}
          icon={one.icon!}
          label={one.label}
          onClick={() => void one.run(item)}
        />
      ))}
      <IconButton
        icon={ellipsesIcon}
        label={props.trans.__('More actions')}
        onClick={button => {
          const { left, bottom } = button.getBoundingClientRect();
          openMenu(actions, item, left, bottom);
        }}
      />
    </>
  );
}

/** The props that make a `List` or `TreeList` open the menu by mouse and by key. */
export function menuHandlers<T>(actions: Action<T>[]): {
  onContextMenu: (item: T, event: MouseEvent) => void;
  onKey: (item: T, event: KeyboardEvent) => boolean;
} {
  return {
    onContextMenu: (item, event) => {
      event.preventDefault();
      event.stopPropagation();
      openMenu(actions, item, event.clientX, event.clientY);
    },
    onKey: (item, event) => {
      if (event.key !== 'ContextMenu' && !(event.key === 'F10' && event.shiftKey)) {
        return false;
      }
      const { left, bottom } = event.currentTarget.getBoundingClientRect();
      openMenu(actions, item, left + 24, bottom - 4);
      return true;
    }
  };
}
