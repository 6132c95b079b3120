/** The command "Save Environment": saves the kernel's packages and version beside the notebook. */
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { environmentIcon } from '../../ui/icons';
import { Problem } from '../../api/problem';
import { Server } from '../../api/server';
import { CommandIDs } from '../commands';
import { saveEnvironment } from './saving';

export function addEnvironment(
  commands: CommandRegistry,
  notebooks: INotebookTracker,
  server: Server,
  contents: Contents.IManager,
  trans: TranslationBundle
): void {
  const kernelOf = () => notebooks.currentWidget?.sessionContext.session?.kernel ?? null;
  commands.addCommand(CommandIDs.environment, {
    label: args => (args.toolbar ? '' : trans.__('Save Environment')),
    caption: trans.__('Save the kernel’s packages and version beside this notebook'),
    icon: args => (args.toolbar ? environmentIcon : undefined),
    isEnabled: () => kernelOf() !== null,
    execute: async () => {
      const notebook = notebooks.currentWidget;
      const kernel = kernelOf();
      if (!notebook || !kernel) {
        return;
      }
      const path = contents.localPath(notebook.context.path);
      const saving = saveEnvironment(
        server,
        kernel.id,
        path,
        folder => namesIn(contents, folder),
        paths => mayReplace(paths, trans)
      );
      Notification.promise(saving, {
        pending: { message: trans.__('Reading the kernel’s packages…') },
        success: {
          message: saved =>
            saved === null
              ? trans.__('Nothing was saved.')
              : trans.__('Saved %1.', (saved as string[]).join(', ')),
          options: { autoClose: 5000 }
        },
        error: { message: problem => Problem.caught(problem).message }
      });
      await saving.catch(() => undefined);
    }
  });
  const onChange = () => commands.notifyCommandChanged(CommandIDs.environment);
  notebooks.currentChanged.connect((_, notebook) => {
    onChange();
    notebook?.sessionContext.kernelChanged.connect(onChange);
  });
}

/** The names in a folder of the server. */
async function namesIn(contents: Contents.IManager, folder: string): Promise<string[]> {
  const model = await contents.get(folder);
  return (model.content as Contents.IModel[]).map(one => one.name);
}

async function mayReplace(paths: string[], trans: TranslationBundle): Promise<boolean> {
  const { button } = await showDialog({
    title: trans.__('Replace the existing files?'),
    body: trans.__('These files exist: %1.', paths.join(', ')),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Replace') })
    ],
    defaultButton: 0
  });
  return button.accept;
}
