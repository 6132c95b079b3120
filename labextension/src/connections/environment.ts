/** "Save Environment": what the notebook's kernel runs on, as files beside the notebook. */
import { Notification } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { environmentIcon } from '../icons';
import { Problem } from '../problems';
import { Server } from '../server';
import { CommandIDs } from './commands';

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
    caption: trans.__('Save the packages and the version of this notebook’s kernel beside it'),
    icon: args => (args.toolbar ? environmentIcon : undefined),
    isEnabled: () => kernelOf() !== null,
    execute: async () => {
      const notebook = notebooks.currentWidget;
      const kernel = kernelOf();
      if (!notebook || !kernel) {
        return;
      }
      const path = contents.localPath(notebook.context.path);
      const saving = save(server, kernel.id, path);
      Notification.promise(saving, {
        pending: { message: trans.__('Asking the kernel what it runs on…') },
        success: {
          message: saved => trans.__('Saved %1.', (saved as string[]).join(', ')),
          options: { autoClose: 5000 }
        },
        error: { message: problem => Problem.caught(problem).message }
      });
      await saving.catch(() => undefined);
    }
  });
  const tell = () => commands.notifyCommandChanged(CommandIDs.environment);
  notebooks.currentChanged.connect((_, notebook) => {
    tell();
    notebook?.sessionContext.kernelChanged.connect(tell);
  });
}

/** The contents paths that were written; what is there under these names is replaced. */
async function save(server: Server, kernelId: string, path: string): Promise<string[]> {
  const url = server.url('environment', kernelId);
  const answer = await server.ask<{ saved: string[] }>('POST', url, { body: { path, save: true } });
  return answer.saved;
}
