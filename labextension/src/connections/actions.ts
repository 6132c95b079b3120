/** The actions of a row of the tree; which apply depends on the connection's capabilities. */
import { Clipboard, Dialog, showDialog } from '@jupyterlab/apputils';
import {
  copyIcon,
  downloadIcon,
  fileUploadIcon,
  folderIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import { loginIcon } from '../ui/icons';
import { PanelContext } from '../panel/tokens';
import { Action } from '../ui/actions';
import { download } from '../ui/download';
import { Logins } from './form/login';
import { ConnectionsModel } from './model';
import { FileBrowserTarget } from './fileBrowserTarget';
import { TransfersModel } from './transfers/transfers';
import { Entry, Tree } from './tree';
import { Uploads } from './transfers/uploads';

/** The parts of the section of connections. */
export interface Parts {
  context: PanelContext;
  model: ConnectionsModel;
  tree: Tree;
  transfers: TransfersModel;
  logins: Logins;
  uploads: Uploads;
  fileBrowser: FileBrowserTarget;
}

/** Whether files can be uploaded into the row: a connection, a folder, or an object. */
export function canUploadInto({ conn, item, file, note }: Entry): boolean {
  return (
    note === undefined &&
    conn.can.includes('upload') &&
    file === undefined &&
    (item ? item.kind !== 'file' && item.kind !== 'dataset' : !conn.can.includes('objects'))
  );
}

/** The server's identifier of a row's folder or object; "" is the connection itself. */
export function entityOf({ item }: Entry): string {
  return item ? (item.permId ?? item.path) : '';
}

/** Upload files into a row; shows a Problem if it cannot start. */
export function uploadInto(parts: Parts, entry: Entry, paths: string[]): Promise<boolean> {
  return parts.model.try(() => parts.uploads.start(entry.conn, entityOf(entry), paths));
}

/** Download a row's data set or file into a folder of the Jupyter server. */
export function downloadTo(parts: Parts, entry: Entry, path: string): Promise<boolean> {
  const { conn, item, file } = entry;
  return parts.model.try(() =>
    parts.transfers.start({
      connection: conn.name,
      direction: 'download',
      permId: item?.permId ?? '',
      path: path || '.',
      files: file === undefined ? undefined : [file]
    })
  );
}

/** Whether the row can be downloaded: a data set, or a file of one. */
export function canDownload({ conn, item, file }: Entry): boolean {
  return (
    conn.can.includes('download') && !!item?.permId && (file === undefined || item.kind === 'file')
  );
}

export function actionsOf(parts: Parts): Action<Entry>[] {
  const { model, tree, logins, fileBrowser, context } = parts;
  const { trans, server } = context;
  const hasConnection = (entry: Entry) => entry.note === undefined && !entry.item;
  const can = (capability: string) => (entry: Entry) =>
    hasConnection(entry) && entry.conn.can.includes(capability);
  const isLoggedIn = ({ conn }: Entry) => conn.state === 'connected';
  const act = (action: string, fields = {}) => {
    return ({ conn }: Entry) => model.try(() => logins.act(conn.name, action, fields));
  };
  return [
    {
      id: 'login',
      label: trans.__('Log in…'),
      icon: loginIcon,
      isButton: true,
      applies: entry =>
        hasConnection(entry) && !isLoggedIn(entry) && entry.conn.state !== 'connecting',
      run: ({ conn }) => model.try(() => logins.login(conn))
    },
    {
      id: 'browse',
      label: trans.__('Browse'),
      icon: folderIcon,
      isButton: true,
      applies: entry => can('browse')(entry) && isLoggedIn(entry) && !entry.isOpen,
      run: entry => tree.toggle(entry, true)
    },
    {
      id: 'download',
      label: trans.__('Download to the folder shown in the file browser'),
      icon: downloadIcon,
      isButton: true,
      applies: canDownload,
      run: entry => downloadTo(parts, entry, fileBrowser.folder)
    },
    {
      id: 'save',
      label: trans.__('Save to this computer'),
      applies: entry => canDownload(entry) && entry.item!.kind === 'file',
      run: ({ conn, item, file }) =>
        model.try(() => {
          const url = model.client.contentUrl(conn.name, item!.permId!, file);
          download(server, url, item!.name);
        })
    },
    {
      id: 'upload',
      label: trans.__('Upload the selection of the file browser'),
      icon: fileUploadIcon,
      applies: canUploadInto,
      run: entry => uploadSelected(parts, entry)
    },
    {
      id: 'copy',
      label: trans.__('Copy the identifier'),
      icon: copyIcon,
      applies: ({ item }) => item !== undefined,
      run: entry => Clipboard.copyToSystem(entityOf(entry))
    },
    {
      id: 'refresh',
      label: trans.__('Refresh'),
      icon: refreshIcon,
      applies: entry => entry.isOpen === true,
      run: entry => tree.load(entry)
    },
    {
      id: 'mount',
      label: trans.__('Mount'),
      applies: entry => can('mount')(entry) && isLoggedIn(entry) && !entry.conn.isMounted,
      run: act('mount')
    },
    {
      id: 'unmount',
      label: trans.__('Unmount'),
      applies: entry => hasConnection(entry) && entry.conn.isMounted,
      run: act('unmount')
    },
    {
      id: 'logout',
      label: trans.__('Log out'),
      applies: entry =>
        hasConnection(entry) && (isLoggedIn(entry) || entry.conn.state === 'connecting'),
      run: act('logout')
    },
    {
      id: 'remember',
      label: trans.__('Remember'),
      applies: entry => hasConnection(entry) && !entry.conn.remembered,
      run: act('login', { remember: true })
    },
    {
      id: 'unremember',
      label: trans.__('No longer remember'),
      applies: entry => hasConnection(entry) && entry.conn.remembered,
      run: act('login', { remember: false })
    },
    {
      id: 'forget',
      label: trans.__('Forget…'),
      applies: hasConnection,
      run: ({ conn }) => forget(parts, conn.name)
    }
  ];
}

async function uploadSelected(parts: Parts, entry: Entry): Promise<void> {
  const { selected } = parts.fileBrowser;
  const { trans } = parts.context;
  if (selected.length === 0) {
    await showDialog({
      title: trans.__('Nothing is selected'),
      body: trans.__('Select files or folders in the file browser first.'),
      buttons: [Dialog.okButton()]
    });
    return;
  }
  await uploadInto(parts, entry, selected);
}

async function forget({ model, context }: Parts, name: string): Promise<void> {
  const { trans } = context;
  const { button } = await showDialog({
    title: trans.__('Forget connection %1?', name),
    body: trans.__(
      'The connection is logged out and unmounted. Its saved settings and secrets are deleted.'
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Forget') })
    ]
  });
  if (button.accept) {
    await model.try(async () => model.applyList(await model.client.remove(name)));
  }
}
