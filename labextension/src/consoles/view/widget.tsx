/** A console's widget in the main area: the view and its toolbar. Loaded with the first one. */
import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { terminalIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Server } from '../../api/server';
import { Action, openMenu } from '../../ui/actions';
import { download } from '../../ui/download';
import { useModel } from '../../ui/model';
import { Mode } from '../../wire/console';
import { Consoles } from '../client';
import { CommandIDs } from '../commands';
import { ConsoleModel } from './model';
import { ConsoleView, ViewSettings } from './view';
import { visible } from '../../wire/visible';

export type ConsoleWidget = MainAreaWidget<ConsoleView>;

/** A new widget that shows a console; the caller adds it to the shell. */
export function openConsole(
  server: Server,
  trans: TranslationBundle,
  commands: CommandRegistry,
  name: string,
  mode: Mode,
  settings: ViewSettings
): ConsoleWidget {
  const client = new Consoles(server);
  const content = new ConsoleView(client, name, mode, trans, settings);
  const widget = new MainAreaWidget({ content });
  widget.id = `jupyter-bridge-console-${encodeURIComponent(name)}`;
  widget.title.label = visible(name);
  widget.title.caption = trans.__('Console %1', visible(name));
  widget.title.icon = terminalIcon;
  widget.title.closable = true;
  const toolbar = ReactWidget.create(
    <ConsoleToolbar
      view={content}
      actions={actionsOf(server, client, trans, commands, content)}
      trans={trans}
    />
  );
  toolbar.addClass('jp-BridgeConsole-toolbar');
  widget.toolbar.addItem('bridge', toolbar);
  return widget;
}

function ConsoleToolbar(props: {
  view: ConsoleView;
  actions: Action<ConsoleModel>[];
  trans: TranslationBundle;
}): JSX.Element {
  const { view, actions, trans } = props;
  const model = useModel(view.model);
  return (
    <>
      <select
        className="jp-BridgeConsole-mode"
        aria-label={trans.__('Mode')}
        value={model.mode}
        disabled={model.exit !== null}
        onChange={event => model.changeMode(event.target.value as Mode)}
      >
        <option value="join">{trans.__('Type')}</option>
        <option value="watch">{trans.__('Watch')}</option>
        <option value="steal">{trans.__('Take over')}</option>
      </select>
      <label className="jp-BridgeConsole-follow">
        <input
          type="checkbox"
          checked={model.isFollowing}
          onChange={event => model.follow(event.target.checked)}
        />
        {trans.__('Follow')}
      </label>
      {actions.map(action => (
        <button
          key={action.id}
          type="button"
          className="jp-Bridge-link"
          onClick={() => void action.run(model)}
        >
          {action.label}
        </button>
      ))}
    </>
  );
}

function actionsOf(
  server: Server,
  client: Consoles,
  trans: TranslationBundle,
  commands: CommandRegistry,
  view: ConsoleView
): Action<ConsoleModel>[] {
  const { name } = view.model;
  const more: Action<ConsoleModel>[] = [
    {
      id: 'run',
      label: trans.__('Run a command in it…'),
      run: () => commands.execute(CommandIDs.run, { console: name })
    },
    {
      id: 'journal',
      label: trans.__('Download the output'),
      run: () => download(server, client.journalUrl(name), `${name}.log`)
    },
    {
      id: 'recording',
      label: trans.__('Download the recording (asciicast)'),
      run: () => download(server, client.recordingUrl(name), `${name}.cast`)
    }
  ];
  return [
    { id: 'first', label: trans.__('Beginning'), run: model => model.goFirst() },
    { id: 'earlier', label: trans.__('Earlier'), run: model => model.goEarlier() },
    { id: 'search', label: trans.__('Search'), run: () => view.showSearch() },
    { id: 'commands', label: trans.__('Commands'), run: () => view.timeline.toggle() },
    {
      id: 'more',
      label: trans.__('More…'),
      run: model => {
        const { left, bottom } = (document.activeElement ?? view.node).getBoundingClientRect();
        openMenu(more, model, left, bottom);
      }
    }
  ];
}
