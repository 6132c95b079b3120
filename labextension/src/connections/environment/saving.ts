/** Saves a kernel's environment beside a notebook; asks before it replaces files. */
import { PathExt } from '@jupyterlab/coreutils';
import { Server } from '../../api/server';
import { Environment } from '../../api/types';

/** The names in a folder, whose path is relative to the server's root; "" is the root. */
export type NamesIn = (folder: string) => Promise<string[]>;

/**
 * Returns the paths of the saved files, or null if `mayReplace`, which gets the paths of existing
 * files, returns false.
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
  // The names depend on the kernel's language: the first request returns them, the second saves.
  const { requirements_filename, runtime_filename } = await ask({});
  const folder = PathExt.dirname(notebook);
  const names = await namesIn(folder);
  const existing = [requirements_filename, runtime_filename].filter(name => names.includes(name));
  if (existing.length && !(await mayReplace(existing.map(name => PathExt.join(folder, name))))) {
    return null;
  }
  return (await ask({ path: notebook, save: true })).saved;
}
