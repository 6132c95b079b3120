/** The plugin that adds the panel to the left side, and the command that shows it. */
import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Bridge } from './bridge';
import { bridgeIcon } from '../ui/icons';
import { Server } from '../api/server';
import { DOMAIN, IBridge } from './tokens';

export const SHOW = 'bridge:show';

export const panel: JupyterFrontEndPlugin<IBridge> = {
  id: 'jupyter-bridge:panel',
  description: 'The Bridge panel, to which other plugins add their sections.',
  autoStart: true,
  provides: IBridge,
  optional: [ILayoutRestorer, ICommandPalette, ITranslator, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): IBridge => {
    translator ??= nullTranslator;
    const trans = translator.load(DOMAIN);
    const server = new Server(app.serviceManager.serverSettings);
    const bridge = new Bridge(server, translator, id => app.shell.activateById(id));
    app.shell.add(bridge.panel, 'left', { rank: 450, type: 'Bridge' });
    restorer?.add(bridge.panel, bridge.panel.id);
    app.commands.addCommand(SHOW, {
      label: trans.__('Show the Bridge Panel'),
      caption: trans.__('Kernels, consoles and connections of this server'),
      icon: bridgeIcon,
      execute: () => bridge.show()
    });
    palette?.addItem({ command: SHOW, category: trans.__('Bridge') });
    return bridge;
  }
};
