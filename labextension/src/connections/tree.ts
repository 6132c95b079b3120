/** What is at the connections: a tree whose branches are asked for when they are first opened. */
import { Model } from '../ui/model';
import { Problem } from '../api/problem';
import { Connection, Dataset, Item } from '../api/types';
import { Connections } from './client';

/** A line of the tree that is shown: a connection, a thing at one, or what is to be said instead. */
export interface Entry {
  key: string;
  level: number;
  conn: Connection;
  /** Nothing for the connection itself. */
  item?: Item;
  /** The path of a file, or of a folder, within its data set. */
  file?: string;
  /** Said in place of what is below. */
  note?: string;
  problem?: Problem;
  /** Undefined where nothing can be below. */
  isOpen?: boolean;
  position: number;
  siblings: number;
}

interface Branch {
  isOpen: boolean;
  /** Null while it is asked for. */
  children: { item: Item; file?: string }[] | null;
  problem: Problem | null;
  /** Which asking is the last one. */
  asking: number;
}

export class Tree extends Model {
  constructor(private client: Connections) {
    super();
  }

  /** The lines that are shown, below these connections. */
  entries(connections: readonly Connection[], empty: string, loading: string): Entry[] {
    const found: Entry[] = [];
    connections.forEach((conn, at) => {
      const key = keyOf(conn.name);
      const canOpen = conn.state === 'connected' && conn.can.includes('browse');
      const isOpen = canOpen ? this.isOpen(key) : undefined;
      const place = { position: at + 1, siblings: connections.length };
      found.push({ key, level: 1, conn, isOpen, ...place });
      if (isOpen) {
        this.below(found, conn, key, 2, empty, loading);
      }
    });
    return found;
  }

  isOpen(key: string): boolean {
    return this.branches.get(key)?.isOpen ?? false;
  }

  /** Show what is below, asking for it if that was never done; or hide it. */
  toggle(entry: Entry, open = !entry.isOpen): void {
    const known = this.branches.get(entry.key);
    if (known && (!open || (known.children && !known.problem))) {
      known.isOpen = open;
      this.emitChanged();
    } else if (open) {
      void this.load(entry);
    }
  }

  /** Ask anew for what is below. */
  async load(entry: Entry): Promise<void> {
    const { key } = entry;
    const before = this.branches.get(key);
    const branch: Branch = {
      isOpen: true,
      children: before?.children ?? null,
      problem: null,
      asking: (before?.asking ?? 0) + 1
    };
    this.branches.set(key, branch);
    this.emitChanged();
    try {
      branch.children = await this.ask(entry);
    } catch (error) {
      branch.children = [];
      branch.problem = Problem.caught(error);
    }
    this.emitChanged();
  }

  /** Ask anew for all that is open at a connection. */
  async reload(conn: Connection): Promise<void> {
    const open = this.entries([conn], '', '').filter(one => one.isOpen);
    for (const entry of open) {
      if (this.branches.has(entry.key)) {
        await this.load(entry);
      }
    }
  }

  /** Forget what is at connections of which `keep` is false. */
  prune(keep: (name: string) => boolean): void {
    for (const key of [...this.branches.keys()]) {
      if (!keep(key.split('\0')[0])) {
        this.branches.delete(key);
        this.emitChanged();
      }
    }
  }

  private async ask({ conn, item, file }: Entry): Promise<Branch['children']> {
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

  private below(
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
      const said = { note: problem?.message ?? note, problem: problem ?? undefined };
      found.push({ key: `${key}\0`, level, conn, ...said, position: 1, siblings: 1 });
      return;
    }
    const siblings = branch.children!.length;
    branch.children!.forEach((child, at) => {
      const own = keyOf(conn.name, child.item, child.file);
      const isOpen = child.item.kind === 'file' ? undefined : this.isOpen(own);
      found.push({ key: own, level, conn, ...child, isOpen, position: at + 1, siblings });
      if (isOpen) {
        this.below(found, conn, own, level + 1, empty, loading);
      }
    });
  }

  private branches = new Map<string, Branch>();
}

function keyOf(conn: string, item?: Item, file?: string): string {
  return [conn, ...(item ? [item.path] : []), ...(file === undefined ? [] : [file])].join('\0');
}

/** What of a data set lies directly in a folder of it, folders first. `below` ends with a slash. */
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
