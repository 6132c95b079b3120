/** Saving what a kernel runs on beside a notebook; nothing is replaced unasked. */
import { PathExt } from '@jupyterlab/coreutils';
import { Server } from '../../api/server';
import { Environment } from '../../api/types';

/** The names of what is in a folder, as a path below the server's root; "" is the root. */
export type NamesIn = (folder: string) => Promise<string[]>;

/**
 * The contents paths that were written; null if `mayReplace`, which is told those that are there
 * already, would rather not.
 */
export async function saveEnvironment(
  server: Server,
  kernelId: string,
  notebook: string,
  namesIn: NamesIn,
  mayReplace: (paths: string[]) => Promise<boolean>
): Promise<string[] | null> {
  const ask = (body: object) =>
    server.request<Environment>('POST', server.url('environment', kernelId), { body });
  // Which files it will be depends on the kernel's language, so it is asked before and again to save.
  const { requirements_filename, runtime_filename } = await ask({});
  const folder = PathExt.dirname(notebook);
  const names = await namesIn(folder);
  const there = [requirements_filename, runtime_filename].filter(name => names.includes(name));
  if (there.length && !(await mayReplace(there.map(name => PathExt.join(folder, name))))) {
    return null;
  }
  return (await ask({ path: notebook, save: true })).saved;
}
