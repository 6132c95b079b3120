/** The panel's own icons. */
import { LabIcon } from '@jupyterlab/ui-components';

/** A bridge: the panel's. */
export const bridgeIcon = new LabIcon({
  name: 'jupyter-bridge:bridge',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M2 17h20v2H2zM4 4h2v13H4zM18 4h2v13h-2zM8.500 12H10v5H8.500zM14 12h1.500v5H14z"/>
    <path d="M5 5c2 6 4.500 8 7 8s5-2 7-8l1.800.700C18.600 12 15.500 15 12 15s-6.600-3-8.800-9.300z"/>
  </g>
</svg>`
});
