/** The tree of connections and their items; a branch is fetched when it is first expanded. */
import { Model } from '../ui/model';
import { Problem } from '../api/problem';
import { Connection, Dataset, Item } from '../api/types';
import { Connections } from './client';

/** A row of the tree: a connection, an item of one, or a note where there is no item. */
export interface Entry {
  key: string;
  level: number;
  conn: Connection;
  /** Undefined for the connection itself. */
  item?: Item;
  /** The path of a file or folder within its data set. */
  file?: string;
  /** A text in place of items. */
  note?: string;
  problem?: Problem;
  /** Whether it is expanded; undefined for a leaf. */
  isOpen?: boolean;
  position: number;
  siblings: number;
}

interface Branch {
  isOpen: boolean;
  /** Null until the first fetch has ended. */
  children: { item: Item; file?: string }[] | null;
  problem: Problem | null;
}

export class Tree extends Model {
  constructor(private client: Connections) {
    super();
  }

  /** The rows of these connections and their expanded branches. */
  entries(connections: readonly Connection[], empty: string, loading: string): Entry[] {
    const found: Entry[] = [];
    connections.forEach((conn, at) => {
      const key = keyOf(conn.name);
      const canOpen = conn.state === 'connected' && conn.can.includes('browse');
      const isOpen = canOpen ? this.isOpen(key) : undefined;
      const position = { position: at + 1, siblings: connections.length };
      found.push({ key, level: 1, conn, isOpen, ...position });
      if (isOpen) {
        this.addBranch(found, conn, key, 2, empty, loading);
      }
    });
    return found;
  }

  isOpen(key: string): boolean {
    return this.branches.get(key)?.isOpen ?? false;
  }

  /** Expand a row, fetching its items if needed; or collapse it. */
  toggle(entry: Entry, open = !entry.isOpen): void {
    const known = this.branches.get(entry.key);
    if (known && (!open || (known.children && !known.problem))) {
      known.isOpen = open;
      this.emitChanged();
    } else if (open) {
      void this.load(entry);
    }
  }

  /** Fetch the items of a row again, and expand it. */
  async load(entry: Entry): Promise<void> {
    const { key } = entry;
    const branch: Branch = {
      isOpen: true,
      children: this.branches.get(key)?.children ?? null,
      problem: null
    };
    this.branches.set(key, branch);
    this.emitChanged();
    try {
      branch.children = await this.fetch(entry);
    } catch (error) {
      branch.children = [];
      branch.problem = Problem.caught(error);
    }
    this.emitChanged();
  }

  /** Fetch all expanded branches of a connection again. */
  async reload(conn: Connection): Promise<void> {
    const open = this.entries([conn], '', '').filter(one => one.isOpen);
    for (const entry of open) {
      if (this.branches.has(entry.key)) {
        await this.load(entry);
      }
    }
  }

  /** Discard the items of connections for which `keep` returns false. */
  prune(keep: (name: string) => boolean): void {
    for (const key of [...this.branches.keys()]) {
      if (!keep(key.split('\0')[0])) {
        this.branches.delete(key);
        this.emitChanged();
      }
    }
  }

  private async fetch({ conn, item, file }: Entry): Promise<Branch['children']> {
    if (item?.kind === 'dataset') {
      return foldersOf(await this.client.dataset(conn.name, item.permId ?? item.path), item, '');
    }
    if (item && file !== undefined) {
      const dataset = await this.client.dataset(conn.name, item.permId!);
      return foldersOf(dataset, item, `${file}/`);
    }
    const items = await this.client.browse(conn.name, item?.path ?? '');
    return items.map(one => ({ item: one }));
  }

  private addBranch(
    found: Entry[],
    conn: Connection,
    key: string,
    level: number,
    empty: string,
    loading: string
  ): void {
    const branch = this.branches.get(key)!;
    const note = branch.children === null ? loading : branch.children.length === 0 ? empty : null;
    if (note !== null) {
      const { problem } = branch;
      const text = { note: problem?.message ?? note, problem: problem ?? undefined };
      found.push({ key: `${key}\0`, level, conn, ...text, position: 1, siblings: 1 });
      return;
    }
    const siblings = branch.children!.length;
    branch.children!.forEach((child, at) => {
      const own = keyOf(conn.name, child.item, child.file);
      const isOpen = child.item.kind === 'file' ? undefined : this.isOpen(own);
      found.push({ key: own, level, conn, ...child, isOpen, position: at + 1, siblings });
      if (isOpen) {
        this.addBranch(found, conn, own, level + 1, empty, loading);
      }
    });
  }

  private branches = new Map<string, Branch>();
}

function keyOf(conn: string, item?: Item, file?: string): string {
  return [conn, ...(item ? [item.path] : []), ...(file === undefined ? [] : [file])].join('\0');
}

/** The content of a data set's folder, folders first; `below` is the folder's path and a slash. */
export function foldersOf(
  dataset: Dataset,
  { path, permId }: Item,
  below: string
): { item: Item; file: string }[] {
  const folders = new Map<string, { item: Item; file: string }>();
  const files: { item: Item; file: string }[] = [];
  for (const one of dataset.files) {
    if (!one.path.startsWith(below)) {
      continue;
    }
    const rest = one.path.slice(below.length);
    const [name, ...deeper] = rest.split('/');
    if (!name) {
      continue;
    }
    const file = below + name;
    const item = { name, path, permId: permId ?? dataset.permId };
    if (deeper.length || one.directory) {
      const known = folders.get(name);
      const size = (known?.item.size ?? 0) + (one.size ?? 0);
      folders.set(name, { item: { ...item, kind: 'folder', size }, file });
    } else {
      files.push({ item: { ...item, kind: 'file', size: one.size ?? 0 }, file });
    }
  }
  const byName = (one: { item: Item }, other: { item: Item }) =>
    one.item.name.localeCompare(other.item.name, undefined, { numeric: true });
  return [...[...folders.values()].sort(byName), ...files.sort(byName)];
}
