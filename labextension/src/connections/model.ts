/** The connections that there are, kept true by events. */
import { Events } from '../events';
import { Model } from '../ui/model';
import { Soon } from '../ui/soon';
import { Connection, Connections, Kind, Listing } from './client';

/** Changes that come faster are shown together, milliseconds. */
const PAUSE = 250;

export class ConnectionsModel extends Model {
  constructor(
    readonly client: Connections,
    events: Events
  ) {
    super();
    const soon = new Soon(() => this.refresh(), PAUSE);
    this.disposables.add(soon);
    this.disposables.add(events.on(['connection_state'], () => soon.wish()));
    events.resumed.connect(() => soon.wish());
    soon.wish();
  }

  connections: readonly Connection[] = [];
  vault = '';
  /** What is wrong with the configuration, a sentence each. */
  reports: readonly string[] = [];
  filter = '';
  isLoaded = false;

  /** Those that the filter leaves. */
  get shown(): readonly Connection[] {
    const wanted = this.filter.trim().toLowerCase();
    return wanted
      ? this.connections.filter(one =>
          `${one.name} ${one.kind} ${one.url} ${one.state}`.toLowerCase().includes(wanted)
        )
      : this.connections;
  }

  get(name: string): Connection | undefined {
    return this.connections.find(one => one.name === name);
  }

  narrow(filter: string): void {
    this.filter = filter;
    this.change();
  }

  /** The kinds; asked for once. */
  async kinds(): Promise<Kind[]> {
    if (!this._kinds) {
      this._kinds = await this.client.kinds();
      this.change();
    }
    return this._kinds;
  }

  /** What a person calls a kind. */
  titleOf(kind: string): string {
    return this._kinds?.find(one => one.kind === kind)?.title ?? kind;
  }

  /** What an answer says anyway. */
  take(listing: Listing): void {
    this.connections = [...listing.connections].sort((one, other) =>
      one.name.localeCompare(other.name, undefined, { numeric: true })
    );
    this.vault = listing.vault;
    this.reports = listing.problems.map(one => `${one.source}: ${one.message}`);
    this.isLoaded = true;
    this.change();
  }

  /** How one stands now, as an answer says. */
  takeOne(connection: Connection): void {
    this.connections = this.connections.map(one =>
      one.name === connection.name ? connection : one
    );
    this.change();
  }

  async refresh(): Promise<void> {
    try {
      this.take(await this.client.list());
      if (this.connections.length) {
        await this.kinds(); // for their titles
      }
    } catch (error) {
      await this.try(() => Promise.reject(error));
    }
  }

  private _kinds: Kind[] | null = null;
}
