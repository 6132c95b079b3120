/** The routes of `connections/handlers/`, for the panel. */
import { Asking, Server } from '../api/server';
import { Schema } from './form/form';

/** A connection as `GET B/conns` shows it; secrets are only told to exist. */
export interface Connection {
  name: string;
  kind: string;
  url: string;
  state: string;
  reason: string | null;
  since: string;
  username: string;
  has_secret: boolean;
  /** The fields without which a login cannot succeed. */
  needs: string[];
  /** What it can do, in words: browse, download, upload, objects, mount, consoles, kernels. */
  can: string[];
  source: string;
  remembered: boolean;
  isMounted: boolean;
  mountpoint: string;
  progress: { percent: number; message: string } | null;
}

/** All connections, where their secrets are kept, and what is wrong with the configuration. */
export interface Listing {
  connections: Connection[];
  notebook_dir: string;
  vault: string;
  problems: { source: string; message: string }[];
}

/** A kind of connections: `fields` is the JSON Schema of its form, `problem` why there is none. */
export interface Kind {
  kind: string;
  title: string;
  fields?: Schema;
  secret?: string[];
  can?: string[];
  problem?: string;
}

/** One thing at a connection; `path` is what is looked inside, `permId` what can be downloaded. */
export interface Item {
  name: string;
  path: string;
  kind: string;
  permId?: string;
  size?: number | null;
  modified?: string;
  info?: Record<string, unknown>;
}

export interface Dataset {
  permId: string;
  files: { path: string; size?: number; directory?: boolean }[];
}

/** A type of data sets, and the properties that one of it has. */
export interface DatasetType {
  code: string;
  description?: string | null;
  propertyAssignments: PropertyAssignment[];
}

export interface PropertyAssignment {
  code: string;
  label?: string | null;
  description?: string | null;
  mandatory?: boolean | null;
  dataType?: string | null;
  terms?: { code: string; label?: string | null }[];
}

export type Fields = Record<string, unknown>;

export class Connections {
  constructor(readonly server: Server) {}

  kinds(): Promise<Kind[]> {
    return this.ask('GET', ['kinds']);
  }

  list(): Promise<Listing> {
    return this.ask('GET', ['conns']);
  }

  add(fields: Fields): Promise<Listing> {
    return this.ask('POST', ['conns'], { body: fields });
  }

  /** login, logout, mount or unmount; returns how it stands then. */
  async act(name: string, action: string, fields: Fields = {}): Promise<Connection> {
    const body = { action, ...fields };
    const answer = await this.ask<{ connection: Connection }>('PUT', ['conn', name], { body });
    return answer.connection;
  }

  remove(name: string): Promise<Listing> {
    return this.ask('DELETE', ['conn', name]);
  }

  browse(name: string, path: string): Promise<Item[]> {
    return this.ask('GET', ['conn', name, 'browse', ...path.split('/')]);
  }

  dataset(name: string, permId: string): Promise<Dataset> {
    return this.ask('GET', ['dataset', name, permId]);
  }

  async types(name: string): Promise<DatasetType[]> {
    const answer = await this.ask<{ dataSetTypes: DatasetType[] }>('GET', ['datasetTypes', name]);
    return answer.dataSetTypes;
  }

  /** Where the bytes of one file are; `file` is its path within the data set. */
  contentUrl(name: string, permId: string, file = ''): string {
    return this.server.url('content', name, permId, ...(file ? file.split('/') : []));
  }

  private ask<T>(method: string, path: string[], asking: Asking = {}): Promise<T> {
    return this.server.ask(method, this.server.url(...path), asking);
  }
}
