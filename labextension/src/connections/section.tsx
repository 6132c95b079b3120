/** The section "Connections": the connections with their data, and the transfers. */
import { addIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ITransfersSummary, PanelContext } from '../panel/tokens';
import { Action, Actions, menuHandlers } from '../ui/actions';
import { IconButton } from '../ui/components';
import { useModel } from '../ui/model';
import { Filter, sectionWidget } from '../ui/section';
import { TreeList } from '../ui/tree';
import { actionsOf, canDownload, canUploadInto, downloadTo, Parts, uploadInto } from './actions';
import { Connections } from './client';
import { CommandIDs } from './commands';
import { FileBrowserTarget } from './fileBrowserTarget';
import { acceptDatasets, acceptFiles, dragSoon } from './transfers/drag';
import { Logins } from './form/login';
import { ConnectionsModel } from './model';
import { CONNECTION_HEIGHT, ConnectionRow, ItemRow, ITEM_HEIGHT, NoteRow } from './rows';
import { DismissedTransfers, TransfersModel } from './transfers/transfers';
import { Tray } from './transfers/tray';
import { Entry, Tree } from './tree';
import { Uploads } from './transfers/uploads';

/** What the section needs besides the panel's context. */
export interface SectionOptions {
  commands: CommandRegistry;
  fileBrowser: FileBrowserTarget;
  dismissed: DismissedTransfers;
  /** Gets the counts for the status bar. */
  summary: ITransfersSummary;
  /** Called with the function that opens the dialog to add a connection. */
  setAdd: (openDialog: () => Promise<unknown>) => void;
}

export function section(context: PanelContext, options: SectionOptions): Widget {
  const { trans, server, events } = context;
  const { fileBrowser } = options;
  const client = new Connections(server);
  const model = new ConnectionsModel(client, events);
  const tree = new Tree(client);
  const transfers = new TransfersModel(server, events, options.dismissed);
  const logins = new Logins(model, trans);
  const uploads = new Uploads(client, transfers, trans);
  const parts: Parts = { context, model, tree, transfers, logins, uploads, fileBrowser };
  const actions = actionsOf(parts);
  transfers.changed.connect(() => options.summary.set(transfers));
  // Items of a connection that is no longer connected are out of date.
  model.changed.connect(() => tree.prune(name => model.get(name)?.state === 'connected'));
  const arrivals = events.on(['transfer_state'], ({ data }) => {
    const conn = model.get(data.connection);
    if (data.state === 'done') {
      if (data.direction === 'download') {
        fileBrowser.refresh();
      } else if (conn) {
        void tree.reload(conn);
      }
    }
  });
  const widget = sectionWidget(
    model,
    trans,
    () => (
      <>
        <Filter label={trans.__('Filter connections')} model={model} />
        <IconButton
          icon={addIcon}
          label={trans.__('Add a connection…')}
          onClick={() => void options.commands.execute(CommandIDs.add)}
        />
      </>
    ),
    () => <Content parts={parts} actions={actions} />
  );
  const entryAt = (at: number) => entries(parts)[at];
  const drops = [
    acceptFiles(
      widget.node,
      at => canUploadInto(entryAt(at)),
      (paths, at) => {
        const local = paths.map(path => fileBrowser.local(path));
        void uploadInto(parts, entryAt(at), local);
      }
    )
  ];
  if (fileBrowser.browser) {
    const drop = acceptDatasets(fileBrowser.browser.node, (dragged, event) => {
      const path = fileBrowser.folderAt(event) || '.';
      for (const { connection, permId, file } of dragged) {
        const files = file === undefined ? undefined : [file];
        const request = { connection, direction: 'download' as const, permId, path, files };
        void transfers.try(() => transfers.start(request));
      }
    });
    drops.push(drop);
  }
  MessageLoop.installMessageHook(widget, (_, message) => {
    if (['after-show', 'after-attach', 'after-hide', 'before-detach'].includes(message.type)) {
      // The widget gets the message after this hook.
      queueMicrotask(() => {
        transfers.isShown = widget.isVisible;
      });
    }
    return true;
  });
  options.setAdd(() => model.try(() => logins.add()));
  widget.disposed.connect(() => {
    [arrivals, ...drops, tree, transfers].forEach(one => one.dispose());
  });
  return widget;
}

function entries({ model, tree, context }: Parts): Entry[] {
  const { trans } = context;
  return tree.entries(model.shown, trans.__('Empty'), trans.__('Loading…'));
}

function Content(props: { parts: Parts; actions: Action<Entry>[] }): JSX.Element {
  const { parts, actions } = props;
  const { model, tree, transfers, context } = parts;
  const { trans } = context;
  useModel(tree);
  const buttons = (entry: Entry) => <Actions actions={actions} item={entry} trans={trans} />;
  const empty = !model.isLoaded ? (
    trans.__('Loading…')
  ) : model.filter ? (
    trans.__('No connection matches the filter.')
  ) : (
    <button
      type="button"
      className="jp-Bridge-textButton"
      onClick={() => void model.try(() => parts.logins.add())}
    >
      {trans.__('Add your first connection…')}
    </button>
  );
  return (
    <>
      {model.reports.map(report => (
        <div key={report} className="jp-Bridge-report" role="note">
          {report}
        </div>
      ))}
      <TreeList
        label={trans.__('Connections')}
        rows={entries(parts)}
        heightOf={entry =>
          entry.item || entry.note !== undefined ? ITEM_HEIGHT : CONNECTION_HEIGHT
        }
        onToggle={(entry, open) => tree.toggle(entry, open)}
        onOpen={entry =>
          canDownload(entry) && void downloadTo(parts, entry, parts.fileBrowser.folder)
        }
        onMouseDown={(entry, event) => {
          const { conn, item, file } = entry;
          const isButton = (event.target as HTMLElement).closest('button') !== null;
          if (event.button === 0 && !isButton && canDownload(entry)) {
            const { name, permId } = item!;
            dragSoon(event, { connection: conn.name, permId: permId!, file, name });
          }
        }}
        {...menuHandlers(actions)}
        empty={empty}
        render={entry =>
          entry.note !== undefined ? (
            <NoteRow entry={entry} />
          ) : entry.item ? (
            <ItemRow item={entry.item} actions={buttons(entry)} />
          ) : (
            <ConnectionRow
              conn={entry.conn}
              title={model.titleOf(entry.conn.kind)}
              actions={buttons(entry)}
              trans={trans}
            />
          )
        }
      />
      <Tray model={transfers} trans={trans} />
    </>
  );
}
