/** The section "Connections" of the panel, and its commands. */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { DOMAIN, IBridge } from '../panel/tokens';
import { CommandIDs } from './commands';
import { addEnvironment } from './environment/environment';
import { dismissedIn } from './transfers/dismissedTransfers';
import { FileBrowserTarget } from './fileBrowserTarget';

export const connections: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-bridge:connections',
  description: 'The section of the Bridge panel with connections.',
  autoStart: true,
  requires: [IBridge],
  optional: [IDefaultFileBrowser, ICommandPalette, INotebookTracker],
  activate: (
    { commands, serviceManager }: JupyterFrontEnd,
    bridge: IBridge,
    browser: IDefaultFileBrowser | null,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null
  ): void => {
    const trans = bridge.translator.load(DOMAIN);
    const { contents } = serviceManager;
    let add: (() => Promise<unknown>) | null = null;
    bridge.add({
      id: 'connections',
      title: trans.__('Connections'),
      rank: 30,
      load: async context =>
        (await import('./section')).section(context, {
          commands,
          fileBrowser: new FileBrowserTarget(browser, contents),
          dismissed: dismissedIn(bridge.server.settings.baseUrl),
          summary: bridge.transfers,
          setAdd: openDialog => {
            add = openDialog;
          }
        })
    });
    commands.addCommand(CommandIDs.add, {
      label: trans.__('Add a Connection…'),
      caption: trans.__('Connect to a folder, a data store or another server'),
      execute: async () => {
        await bridge.show();
        await add?.();
      }
    });
    palette?.addItem({ command: CommandIDs.add, category: trans.__('Bridge') });
    if (notebooks) {
      addEnvironment(commands, notebooks, bridge.server, contents, trans);
      palette?.addItem({ command: CommandIDs.environment, category: trans.__('Bridge') });
    }
  }
};
