/** The section "Kernels" of the panel, and its commands. */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { DOMAIN, IBridge } from '../tokens';

export const kernels: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-bridge:kernels',
  description: 'The section of the Bridge panel with kernels.',
  autoStart: true,
  requires: [IBridge],
  activate: (_: JupyterFrontEnd, bridge: IBridge): void => {
    const trans = bridge.translator.load(DOMAIN);
    bridge.add({
      id: 'kernels',
      title: trans.__('Kernels'),
      rank: 10,
      load: async ground => (await import('./section')).section(ground)
    });
  }
};
