/** The section "Consoles" of the panel, the views of consoles, and their commands. */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  ICommandPalette,
  IThemeManager,
  MainAreaWidget,
  showErrorMessage,
  WidgetTracker
} from '@jupyterlab/apputils';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { fileIcon, runIcon, terminalIcon } from '@jupyterlab/ui-components';
import { Problem } from '../api/problem';
import { DOMAIN, IBridge } from '../panel/tokens';
import { Mode } from '../wire/console';
import { Consoles } from './client';
import { CommandIDs } from './commands';
import type { RunView } from './run/runView';
import type { ConsoleView, ViewSettings } from './view/view';
import { asText } from '../wire/json';

const ID = 'jupyter-bridge:consoles';
const DEFAULTS: ViewSettings = {
  fontSize: 13,
  fontFamily: 'Menlo, Consolas, "DejaVu Sans Mono", monospace',
  lineHeight: 1.1,
  screenReader: false,
  restAfter: 30
};

export const consoles: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'The section of the Bridge panel with consoles, and their views.',
  autoStart: true,
  requires: [IBridge],
  optional: [
    ILayoutRestorer,
    ICommandPalette,
    ILauncher,
    ISettingRegistry,
    IThemeManager,
    IDefaultFileBrowser
  ],
  activate: (
    app: JupyterFrontEnd,
    bridge: IBridge,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    registry: ISettingRegistry | null,
    themes: IThemeManager | null,
    files: IDefaultFileBrowser | null
  ): void => {
    const trans = bridge.translator.load(DOMAIN);
    const { commands, shell } = app;
    const category = trans.__('Bridge');
    const tracker = new WidgetTracker<MainAreaWidget<ConsoleView>>({ namespace: 'bridge-console' });
    let settings = DEFAULTS;
    const restyle = () => tracker.forEach(widget => widget.content.restyle(settings));
    themes?.themeChanged.connect(() => requestAnimationFrame(restyle));
    registry?.load(ID).then(
      loaded => {
        const read = () => {
          settings = { ...DEFAULTS, ...(loaded.composite as Partial<ViewSettings>) };
          restyle();
        };
        loaded.changed.connect(read);
        read();
      },
      reason => console.error('The settings of the bridge’s consoles cannot be read', reason)
    );

    bridge.add({
      id: 'consoles',
      title: trans.__('Consoles'),
      rank: 20,
      load: async context => (await import('./section')).section(context, commands)
    });

    commands.addCommand(CommandIDs.open, {
      label: args =>
        args.name ? trans.__('Open Console %1', args.name) : trans.__('Open Console'),
      icon: terminalIcon,
      isVisible: args => Boolean(args.name),
      execute: async args => {
        const name = asText(args.name);
        const mode = (args.mode ?? 'join') as Mode;
        let widget = tracker.find(one => one.content.model.name === name);
        if (!widget) {
          const { openConsole } = await import('./view/widget');
          widget = openConsole(bridge.server, trans, commands, name, mode, settings);
          shell.add(widget, 'main', { type: 'Bridge Console' });
          await tracker.add(widget);
          widget.content.model.changed.connect(() => void tracker.save(widget!));
        } else if (args.mode) {
          widget.content.model.changeMode(mode);
        }
        shell.activateById(widget.id);
        return widget;
      }
    });

    commands.addCommand(CommandIDs.create, {
      label: trans.__('New Recorded Terminal'),
      caption: trans.__('A terminal whose output is recorded and can be read again'),
      icon: terminalIcon,
      execute: async (): Promise<unknown> => {
        const { name } = await withErrorDialog(trans.__('No terminal could be opened'), () =>
          new Consoles(bridge.server).create()
        );
        return commands.execute(CommandIDs.open, { name });
      }
    });

    let runs: MainAreaWidget<RunView> | null = null;
    commands.addCommand(CommandIDs.run, {
      label: trans.__('Run a Shell Command…'),
      caption: trans.__('Shows the exact output and the exit status'),
      icon: runIcon,
      execute: async args => {
        if (!runs || runs.isDisposed) {
          const [{ RunView }, { PageRuns }] = await Promise.all([
            import('./run/runView'),
            import('./run/runs')
          ]);
          const client = new Consoles(bridge.server);
          const names = async () =>
            (await client.list())
              .filter(one => one.state === 'live' && ['terminal', 'remote'].includes(one.kind))
              .map(one => one.name);
          runs = new MainAreaWidget({
            content: new RunView(new PageRuns(client), names, trans)
          });
          runs.id = 'jupyter-bridge-runs';
          runs.title.label = trans.__('Run');
          runs.title.icon = runIcon;
          runs.title.closable = true;
          shell.add(runs, 'main', { type: 'Bridge Runs' });
        }
        runs.content.propose(asText(args.console));
        shell.activateById(runs.id);
        return runs;
      }
    });

    const selected = () =>
      [...(files?.selectedItems() ?? [])].filter(one => one.type !== 'directory');
    commands.addCommand(CommandIDs.tail, {
      label: trans.__('Tail in a Console'),
      icon: fileIcon,
      isEnabled: () => selected().length > 0,
      execute: () =>
        Promise.all(
          selected().map(({ path }) =>
            commands.execute(CommandIDs.open, { name: `file:${path}`, mode: 'watch' })
          )
        )
    });
    if (files) {
      app.contextMenu.addItem({
        command: CommandIDs.tail,
        selector: '.jp-DirListing-item[data-isdir="false"]',
        rank: 5
      });
    }

    const shown = () => tracker.currentWidget?.content;
    const isShown = () =>
      tracker.currentWidget !== null && tracker.currentWidget === shell.currentWidget;
    commands.addCommand(CommandIDs.search, {
      label: trans.__('Search the Console'),
      isEnabled: isShown,
      execute: () => shown()?.showSearch()
    });
    commands.addCommand(CommandIDs.live, {
      label: trans.__('Go to the End of the Console'),
      isEnabled: isShown,
      execute: () => shown()?.model.goLive()
    });
    commands.addCommand(CommandIDs.first, {
      label: trans.__('Go to the Beginning of the Console'),
      isEnabled: isShown,
      execute: () => shown()?.model.goFirst()
    });
    for (const command of Object.values(CommandIDs)) {
      if (command !== CommandIDs.open && command !== CommandIDs.tail) {
        palette?.addItem({ command, category });
      }
    }
    launcher?.add({ command: CommandIDs.create, category, rank: 1 });
    launcher?.add({ command: CommandIDs.run, category, rank: 2 });

    void restorer?.restore(tracker, {
      command: CommandIDs.open,
      args: ({ content: { model } }) => ({ name: model.name, mode: model.wantedMode }),
      name: ({ content: { model } }) => model.name
    });
  }
};

/** Run `action` and return its result; shows an error in a dialog and throws it again. */
async function withErrorDialog<T>(title: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const problem = Problem.caught(error);
    await showErrorMessage(title, problem.message);
    throw problem;
  }
}
