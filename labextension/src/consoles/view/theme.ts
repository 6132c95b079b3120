/** The terminal's colours, from JupyterLab's current theme. */
import { ITheme } from '@xterm/xterm';

export function terminalTheme(): ITheme {
  const style = getComputedStyle(document.body);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    background: colour('--jp-layout-color0'),
    foreground: colour('--jp-ui-font-color0'),
    cursor: colour('--jp-ui-font-color1'),
    cursorAccent: colour('--jp-ui-inverse-font-color0'),
    selectionBackground: colour('--jp-editor-selected-focused-background'),
    selectionInactiveBackground: colour('--jp-editor-selected-background')
  };
}
