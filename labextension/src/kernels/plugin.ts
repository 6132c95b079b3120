/** The section "Kernels" of the panel, the view of messages, and their commands. */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  showErrorMessage,
  WidgetTracker
} from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { inspectorIcon, kernelIcon } from '@jupyterlab/ui-components';
import { Problem } from '../api/problem';
import { DOMAIN, IBridge } from '../panel/tokens';
import { Kernels } from './client';
import { CommandIDs } from './commands';
import type { MessageView } from './messageView';
import { asText } from '../wire/json';

export const kernels: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-bridge:kernels',
  description: 'The section of the Bridge panel with kernels, and the view of their messages.',
  autoStart: true,
  requires: [IBridge],
  optional: [ILayoutRestorer, ICommandPalette, ILauncher],
  activate: (
    app: JupyterFrontEnd,
    bridge: IBridge,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null
  ): void => {
    const trans = bridge.translator.load(DOMAIN);
    const { commands, shell } = app;
    const category = trans.__('Bridge');
    const client = new Kernels(bridge.server);
    const tracker = new WidgetTracker<MainAreaWidget<MessageView>>({
      namespace: 'bridge-messages'
    });

    bridge.add({
      id: 'kernels',
      title: trans.__('Kernels'),
      rank: 10,
      load: async context => (await import('./section')).section(context, commands)
    });

    commands.addCommand(CommandIDs.messages, {
      label: trans.__('Show the Messages of a Kernel'),
      icon: inspectorIcon,
      isVisible: args => Boolean(args.id),
      execute: async args => {
        const id = asText(args.id);
        let widget = tracker.find(one => one.content.model.id === id);
        if (!widget) {
          const { openMessages } = await import('./messageView');
          widget = openMessages(client, trans, id, asText(args.name) || id);
          shell.add(widget, 'main', { type: 'Bridge Messages' });
          await tracker.add(widget);
        }
        shell.activateById(widget.id);
        return widget;
      }
    });

    commands.addCommand(CommandIDs.spawn, {
      label: trans.__('Spawn a Kernel…'),
      caption: trans.__('A kernel without a notebook, for scripts and web applications'),
      icon: kernelIcon,
      execute: async args => {
        const { askForKernel } = await import('./spawnDialog');
        const { kernelspecs } = app.serviceManager;
        await kernelspecs.ready;
        const choice =
          typeof args.kernelspec === 'string'
            ? { kernelspec: args.kernelspec }
            : await askForKernel(kernelspecs.specs, trans);
        if (!choice) {
          return undefined;
        }
        const { kernelspec, ...body } = choice;
        try {
          return await client.spawn(kernelspec, body);
        } catch (error) {
          const title = trans.__('The kernel could not be spawned');
          return showErrorMessage(title, Problem.caught(error).message);
        }
      }
    });

    palette?.addItem({ command: CommandIDs.spawn, category });
    launcher?.add({ command: CommandIDs.spawn, category, rank: 3 });
    void restorer?.restore(tracker, {
      command: CommandIDs.messages,
      args: widget => ({ id: widget.content.model.id }),
      name: widget => widget.content.model.id
    });
  }
};
