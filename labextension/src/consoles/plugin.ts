/** The section "Consoles" of the panel, and its commands. */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { DOMAIN, IBridge } from '../tokens';

export const consoles: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-bridge:consoles',
  description: 'The section of the Bridge panel with consoles.',
  autoStart: true,
  requires: [IBridge],
  activate: (_: JupyterFrontEnd, bridge: IBridge): void => {
    const trans = bridge.translator.load(DOMAIN);
    bridge.add({
      id: 'consoles',
      title: trans.__('Consoles'),
      rank: 20,
      load: async ground => (await import('./section')).section(ground)
    });
  }
};
