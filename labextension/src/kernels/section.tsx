/** The section "Kernels": the server's kernels, their states, and the actions on them. */
import { Clipboard, Dialog, showDialog } from '@jupyterlab/apputils';
import { addIcon, copyIcon, inspectorIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { Kernel } from '../api/types';
import { PanelContext } from '../panel/tokens';
import { Action, Actions, menuHandlers } from '../ui/actions';
import { Age, Dot, IconButton, Row } from '../ui/components';
import { List } from '../ui/list';
import { Filter, sectionWidget } from '../ui/section';
import { quoted } from '../ui/shell';
import { Kernels } from './client';
import { CommandIDs } from './commands';
import { KernelsModel } from './list';
import { visible } from '../wire/visible';

export function section(context: PanelContext, commands: CommandRegistry): Widget {
  const { trans } = context;
  const model = new KernelsModel(new Kernels(context.server), context.events);
  const actions = actionsOf(context, model, commands);
  const menu = menuHandlers(actions);
  return sectionWidget(
    model,
    trans,
    () => (
      <>
        <Filter label={trans.__('Filter kernels')} model={model} />
        <IconButton
          icon={addIcon}
          label={trans.__('Spawn a kernel…')}
          onClick={() => void model.try(() => commands.execute(CommandIDs.spawn))}
        />
      </>
    ),
    () => (
      <List
        label={trans.__('Kernels')}
        items={model.shown}
        keyOf={one => one.id}
        height={44}
        empty={
          model.filter
            ? trans.__('No kernel matches the filter.')
            : trans.__('No kernels are running.')
        }
        onOpen={one => void commands.execute(CommandIDs.messages, { id: one.id, name: one.name })}
        {...menu}
        render={one => (
          <Row
            before={
              <Dot tone={tone(one)} label={visible(one.execution_state ?? trans.__('unknown'))} />
            }
            title={
              <span title={visible(one.id)}>
                {visible(
                  one.name === one.kernelspec ? one.name : `${one.name} · ${one.kernelspec}`
                )}
              </span>
            }
            detail={
              one.executing ? (
                <>
                  {trans.__('busy for')} <Age since={one.executing.since} trans={trans} />
                  {one.executing.code && (
                    <code>: {visible(one.executing.code.trim().split('\n')[0])}</code>
                  )}
                </>
              ) : (
                visible(one.reason ?? one.execution_state ?? trans.__('unknown'))
              )
            }
            after={trans._n('%1 client', '%1 clients', one.connections)}
            actions={<Actions actions={actions} item={one} trans={trans} />}
          />
        )}
      />
    )
  );
}

function tone({ execution_state: state }: Kernel): 'good' | 'busy' | 'idle' | 'bad' | 'off' {
  switch (state) {
    case 'idle':
      return 'idle';
    case 'busy':
      return 'busy';
    case 'dead':
      return 'bad';
    default:
      return 'off';
  }
}

function actionsOf(
  { trans }: PanelContext,
  model: KernelsModel,
  commands: CommandRegistry
): Action<Kernel>[] {
  const { client } = model;
  return [
    {
      id: 'messages',
      label: trans.__('Show messages'),
      icon: inspectorIcon,
      isButton: true,
      run: one => commands.execute(CommandIDs.messages, { id: one.id, name: one.name })
    },
    {
      id: 'interrupt',
      label: trans.__('Interrupt'),
      icon: stopIcon,
      isButton: true,
      applies: one => one.execution_state === 'busy',
      run: one => model.try(() => client.interrupt(one.id))
    },
    {
      id: 'restart',
      label: trans.__('Restart…'),
      icon: refreshIcon,
      run: one =>
        model.try(async () => {
          const question = trans.__('Everything in its memory is lost.');
          if (
            await confirm(
              trans.__('Restart kernel %1?', visible(one.name)),
              question,
              trans.__('Restart')
            )
          ) {
            await client.restart(one.id);
          }
        })
    },
    {
      id: 'shutdown',
      label: trans.__('Shut down…'),
      run: one =>
        model.try(async () => {
          const question = trans.__('Everything in its memory is lost.');
          if (
            await confirm(
              trans.__('Shut down kernel %1?', visible(one.name)),
              question,
              trans.__('Shut Down')
            )
          ) {
            await client.shutdown(one.id);
          }
        })
    },
    {
      id: 'curl',
      label: trans.__('Copy a curl command that runs code on it'),
      icon: copyIcon,
      run: one => Clipboard.copyToSystem(asCurl(client.server.url('execute', one.id)))
    }
  ];

  async function confirm(title: string, body: string, label: string): Promise<boolean> {
    const { button } = await showDialog({
      title,
      body,
      buttons: [Dialog.cancelButton(), Dialog.warnButton({ label })]
    });
    return button.accept;
  }
}

/** A curl command that executes code; the user's shell supplies the token, not this page. */
export function asCurl(url: string): string {
  return (
    `curl -s -H "Authorization: token $JUPYTER_BRIDGE_TOKEN" ` +
    `${quoted(String(new URL(url, window.location.href)))} -d '{"code": "6 * 7"}'`
  );
}
