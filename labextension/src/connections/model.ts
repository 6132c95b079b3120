/** The connections of the server, kept up to date by events. */
import { Events } from '../api/events';
import { Connection, ConnectionList, Kind } from '../api/types';
import { LiveList } from '../ui/liveList';
import { Connections } from './client';

export class ConnectionsModel extends LiveList<Connection> {
  constructor(
    readonly client: Connections,
    events: Events
  ) {
    super(events, { events: ['connection_state'], pause: 250, few: 0 });
  }

  vault = '';
  /** The errors of the configuration, a sentence each. */
  reports: readonly string[] = [];

  /** The kinds of connections; fetched once. */
  async kinds(): Promise<Kind[]> {
    if (!this._kinds) {
      this._kinds = await this.client.kinds();
      this.emitChanged();
    }
    return this._kinds;
  }

  /** The display name of a kind. */
  titleOf(kind: string): string {
    return this._kinds?.find(one => one.kind === kind)?.title ?? kind;
  }

  /** Show the list of a response. */
  applyList(listing: ConnectionList): void {
    this.setItems(this.read(listing));
  }

  /** Show the connection of a response. */
  applyOne(connection: Connection): void {
    this.setItems(this.items.map(one => (one.name === connection.name ? connection : one)));
  }

  protected keyOf(one: Connection): string {
    return one.name;
  }

  protected textOf(one: Connection): string {
    return `${one.name} ${one.kind} ${one.url} ${one.state}`;
  }

  protected async fetchAll(): Promise<Connection[]> {
    const listing = await this.client.list();
    if (listing.connections.length && !this._kinds) {
      void this.try(() => this.kinds()); // for their titles
    }
    return this.read(listing);
  }

  private read(listing: ConnectionList): Connection[] {
    this.vault = listing.vault;
    this.reports = listing.problems.map(one => `${one.source}: ${one.message}`);
    return [...listing.connections].sort((one, other) =>
      one.name.localeCompare(other.name, undefined, { numeric: true })
    );
  }

  private _kinds: Kind[] | null = null;
}
