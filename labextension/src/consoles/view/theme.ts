/** The terminal's colours, taken from JupyterLab's theme as it is now. */
import { ITheme } from '@xterm/xterm';

/** The colours of the theme that the page has. */
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
