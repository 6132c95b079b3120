/** The section "Connections" of the panel, and its commands. */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { DOMAIN, IBridge } from '../tokens';

export const connections: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-bridge:connections',
  description: 'The section of the Bridge panel with connections.',
  autoStart: true,
  requires: [IBridge],
  activate: (_: JupyterFrontEnd, bridge: IBridge): void => {
    const trans = bridge.translator.load(DOMAIN);
    bridge.add({
      id: 'connections',
      title: trans.__('Connections'),
      rank: 30,
      load: async ground => (await import('./section')).section(ground)
    });
  }
};
