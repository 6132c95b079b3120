/** The panel's own icons. */
import { LabIcon } from '@jupyterlab/ui-components';

/** An icon of one path on a grid of 24 by 24, in the colour of the theme's icons. */
function icon(name: string, path: string): LabIcon {
  return new LabIcon({
    name: `jupyter-bridge:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="${path}"/></svg>`
  });
}

/** A bridge: the panel. */
export const bridgeIcon = icon(
  'bridge',
  'M2 17h20v2H2zM4 4h2v13H4zM18 4h2v13h-2zM8.500 12H10v5H8.500zM14 12h1.500v5H14z M5 5c2 6 4.500 8 7 8s5-2 7-8l1.800.700C18.600 12 15.500 15 12 15s-6.600-3-8.800-9.300z'
);

/** Two bars: pause. */
export const pauseIcon = icon('pause', 'M7 5h4v14H7zM13 5h4v14h-4z');

/** A drum: a data set. */
export const datasetIcon = icon(
  'dataset',
  'M12 3c-4.400 0-8 1.300-8 3v12c0 1.700 3.600 3 8 3s8-1.300 8-3V6c0-1.700-3.600-3-8-3zm0 2c3.900 0 6 1 6 1.200S15.900 7.500 12 7.500 6 6.400 6 6.200 8.100 5 12 5zm0 14c-3.900 0-6-1-6-1.200v-3.100c1.500.600 3.600.900 6 .900s4.500-.300 6-.900v3.100c0 .200-2.100 1.200-6 1.200zm0-5.300c-3.900 0-6-1-6-1.200V8.600c1.500.600 3.600.900 6 .900s4.500-.300 6-.900v3.900c0 .200-2.100 1.200-6 1.200z'
);

/** An arrow into a door: log in. */
export const loginIcon = icon(
  'login',
  'M11 7l-1.400 1.400L12.200 11H2v2h10.200l-2.600 2.600L11 17l5-5zM20 19h-8v2h8a2 2 0 0 0 2-2V5a2 2 0 0 0-2-2h-8v2h8z'
);

/** A list with an arrow: save a kernel's environment. */
export const environmentIcon = icon(
  'environment',
  'M4 4h12v2H4zM4 9h12v2H4zM4 14h7v2H4zM17 12h2v5h2.500L18 20.800 14.500 17H17z'
);
