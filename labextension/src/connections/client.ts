/** The routes of `connections/handlers/`, for the panel. */
import { RequestOptions, Server } from '../api/server';
import {
  Connection,
  ConnectionList,
  Dataset,
  DatasetType,
  Item,
  Kind,
  OneConnection,
  Types
} from '../api/types';

export type Fields = Record<string, unknown>;

export class Connections {
  constructor(readonly server: Server) {}

  kinds(): Promise<Kind[]> {
    return this.request('GET', ['kinds']);
  }

  list(): Promise<ConnectionList> {
    return this.request('GET', ['conns']);
  }

  add(fields: Fields): Promise<ConnectionList> {
    return this.request('POST', ['conns'], { body: fields });
  }

  /** login, logout, mount or unmount; returns the connection's new state. */
  async act(name: string, action: string, fields: Fields = {}): Promise<Connection> {
    const body = { action, ...fields };
    const answer = await this.request<OneConnection>('PUT', ['conn', name], { body });
    return answer.connection;
  }

  remove(name: string): Promise<ConnectionList> {
    return this.request('DELETE', ['conn', name]);
  }

  browse(name: string, path: string): Promise<Item[]> {
    return this.request('GET', ['conn', name, 'browse', ...path.split('/')]);
  }

  dataset(name: string, permId: string): Promise<Dataset> {
    return this.request('GET', ['dataset', name, permId]);
  }

  async types(name: string): Promise<DatasetType[]> {
    const answer = await this.request<Types>('GET', ['datasetTypes', name]);
    return answer.dataSetTypes;
  }

  /** The URL of a file's content; `file` is its path within the data set. */
  contentUrl(name: string, permId: string, file = ''): string {
    return this.server.url('content', name, permId, ...(file ? file.split('/') : []));
  }

  private request<T>(method: string, path: string[], options: RequestOptions = {}): Promise<T> {
    return this.server.request(method, this.server.url(...path), options);
  }
}
