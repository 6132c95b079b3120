/** The section "Consoles": terminals, kernels, files and remote consoles, live or ended. */
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import {
  addIcon,
  consoleIcon,
  downloadIcon,
  fileIcon,
  LabIcon,
  linkIcon,
  runIcon,
  terminalIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { Console } from '../api/types';
import { PanelContext } from '../panel/tokens';
import { Action, Actions, menuHandlers } from '../ui/actions';
import { Age, Dot, IconButton, Row } from '../ui/components';
import { download } from '../ui/download';
import { List } from '../ui/list';
import { Filter, sectionWidget } from '../ui/section';
import { Consoles } from './client';
import { CommandIDs } from './commands';
import { ConsolesModel } from './list';
import { visible } from '../wire/visible';

const ICONS: Record<string, LabIcon> = {
  terminal: terminalIcon,
  kernel: consoleIcon,
  file: fileIcon,
  remote: linkIcon
};

export function section(context: PanelContext, commands: CommandRegistry): Widget {
  const { trans } = context;
  const client = new Consoles(context.server);
  const model = new ConsolesModel(client, context.events);
  const actions = actionsOf(context, client, model, commands);
  const menu = menuHandlers(actions);
  return sectionWidget(
    model,
    trans,
    () => (
      <>
        <Filter label={trans.__('Filter consoles')} model={model} />
        <IconButton
          icon={runIcon}
          label={trans.__('Run a command…')}
          onClick={() => void commands.execute(CommandIDs.run, {})}
        />
        <IconButton
          icon={fileIcon}
          label={trans.__('Tail a file…')}
          onClick={() => void tailFile(context, commands)}
        />
        <IconButton
          icon={addIcon}
          label={trans.__('New terminal')}
          onClick={() => void model.try(() => commands.execute(CommandIDs.create))}
        />
      </>
    ),
    () => (
      <List
        label={trans.__('Consoles')}
        items={model.shown}
        keyOf={one => `${one.name}~${one.epoch}`}
        height={44}
        empty={
          model.filter
            ? trans.__('No console matches the filter.')
            : trans.__('No consoles yet. Open a terminal, tail a log file, or run a command.')
        }
        onOpen={one => void commands.execute(CommandIDs.open, { name: one.name })}
        {...menu}
        render={one => {
          const icon = ICONS[one.kind] ?? terminalIcon;
          const viewers = one.viewers.length;
          return (
            <Row
              before={<icon.react tag="span" elementSize="normal" title={one.kind} />}
              title={
                <>
                  <Dot
                    tone={one.state === 'live' ? 'good' : 'off'}
                    label={one.state === 'live' ? trans.__('live') : trans.__('ended')}
                  />{' '}
                  {visible(
                    one.title && one.title !== one.name ? `${one.name} · ${one.title}` : one.name
                  )}
                </>
              }
              detail={visible(one.last_line ?? '') || stateText(one, context)}
              after={
                <>
                  {viewers > 0 && (
                    <span title={visible(one.viewers.map(viewer => viewer.user).join(', '))}>
                      {trans._n('%1 viewer', '%1 viewers', viewers)}
                      {' · '}
                    </span>
                  )}
                  <Age since={one.last_activity} trans={trans} />
                </>
              }
              actions={<Actions actions={actions} item={one} trans={trans} />}
            />
          );
        }}
      />
    )
  );
}

function actionsOf(
  { server, trans }: PanelContext,
  client: Consoles,
  model: ConsolesModel,
  commands: CommandRegistry
): Action<Console>[] {
  const isLive = (one: Console) => one.state === 'live';
  const open = (mode: string) => (one: Console) =>
    commands.execute(CommandIDs.open, { name: one.name, mode });
  return [
    { id: 'open', label: trans.__('Open'), icon: terminalIcon, isButton: true, run: open('join') },
    { id: 'watch', label: trans.__('Watch only'), run: open('watch') },
    { id: 'steal', label: trans.__('Take over'), applies: isLive, run: open('steal') },
    {
      id: 'run',
      label: trans.__('Run a command in it…'),
      icon: runIcon,
      isButton: true,
      applies: one => isLive(one) && (one.kind === 'terminal' || one.kind === 'remote'),
      run: one => commands.execute(CommandIDs.run, { console: one.name })
    },
    {
      id: 'journal',
      label: trans.__('Download the output'),
      icon: downloadIcon,
      run: one => download(server, client.journalUrl(one.name), `${one.name}.log`)
    },
    {
      id: 'recording',
      label: trans.__('Download the recording (asciicast)'),
      run: one => download(server, client.recordingUrl(one.name), `${one.name}.cast`)
    },
    {
      id: 'end',
      label: trans.__('End…'),
      applies: one => isLive(one) && one.kind !== 'file',
      run: async one => {
        const { button } = await showDialog({
          title: trans.__('End console %1?', visible(one.name)),
          body: trans.__('The program in it is stopped. Its output remains readable.'),
          buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('End') })]
        });
        if (button.accept) {
          await model.try(() => client.end(one.name));
        }
      }
    },
    {
      id: 'forget',
      label: trans.__('Forget…'),
      applies: one => !isLive(one),
      run: async one => {
        const { button } = await showDialog({
          title: trans.__('Forget console %1?', visible(one.name)),
          body: trans.__('Its output is deleted.'),
          buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Forget') })]
        });
        if (button.accept) {
          await model.try(() => client.end(one.name, true));
        }
      }
    }
  ];
}

/** Ask for a file's path, and open a console that follows the file. */
export async function tailFile({ trans }: PanelContext, commands: CommandRegistry): Promise<void> {
  const { value } = await InputDialog.getText({
    title: trans.__('Tail a file'),
    label: trans.__('Path below the server’s root'),
    okLabel: trans.__('Tail')
  });
  if (value) {
    await commands.execute(CommandIDs.open, { name: `file:${value}`, mode: 'watch' });
  }
}

function stateText(one: Console, { trans }: PanelContext): string {
  if (one.state === 'live') {
    return trans.__('no output yet');
  }
  return typeof one.exit_code === 'number'
    ? trans.__('ended with exit code %1', one.exit_code)
    : trans.__('ended');
}
