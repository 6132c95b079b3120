/** The consoles that there are, kept true by events. */
import { Events } from '../events';
import { Model } from '../ui/model';
import { Soon } from '../ui/soon';
import { Console, Consoles } from './client';

/** Changes that come faster are shown together, milliseconds. */
const PAUSE = 500;
/** So many changed consoles are asked for one by one; with more, all are. */
const FEW = 8;

export class ConsolesModel extends Model {
  constructor(
    private client: Consoles,
    events: Events
  ) {
    super();
    this.disposables.add(this.soon);
    this.disposables.add(
      events.on(['console_state', 'connection_state'], ({ name, data }) => {
        if (name === 'console_state' && data.state === 'live' && this.has(data.console)) {
          this.changedNames.add(data.console);
        } else {
          this.isStale = true;
        }
        this.soon.wish();
      })
    );
    events.resumed.connect(() => {
      this.isStale = true;
      this.soon.wish();
    });
    this.soon.wish();
  }

  consoles: Console[] = [];
  filter = '';

  /** Those that the filter leaves. */
  get shown(): Console[] {
    const wanted = this.filter.trim().toLowerCase();
    return wanted
      ? this.consoles.filter(one =>
          `${one.name} ${one.title} ${one.kind} ${one.state}`.toLowerCase().includes(wanted)
        )
      : this.consoles;
  }

  narrow(filter: string): void {
    this.filter = filter;
    this.change();
  }

  private has(name: string): boolean {
    return this.consoles.some(one => one.name === name);
  }

  protected override onLook(): void {
    if (this.isSeen) {
      this.soon.wish();
    }
  }

  private async refresh(): Promise<void> {
    if (!this.isSeen || (!this.isStale && this.changedNames.size === 0)) {
      return; // it is asked for when somebody looks again
    }
    const names = [...this.changedNames];
    const all = this.isStale || names.length > FEW;
    this.changedNames.clear();
    this.isStale = false;
    await this.try(async () => {
      if (all) {
        this.consoles = sorted(await this.client.list());
      } else {
        const found = await Promise.all(names.map(name => this.client.get(name)));
        const known = new Map(found.map(one => [one.name, one]));
        this.consoles = this.consoles.map(one =>
          one.state === 'live' ? (known.get(one.name) ?? one) : one
        );
      }
    });
    if (this.problem) {
      this.isStale = true;
    }
  }

  private changedNames = new Set<string>();
  private isStale = true;
  private readonly soon = new Soon(() => this.refresh(), PAUSE);
}

/** Live ones first, the others with the newest first; by name among the live, so that none jumps. */
export function sorted(consoles: Console[]): Console[] {
  return [...consoles].sort((one, other) => {
    if (one.state !== other.state) {
      return one.state === 'live' ? -1 : 1;
    }
    return one.state === 'live'
      ? one.name.localeCompare(other.name, undefined, { numeric: true })
      : other.last_activity.localeCompare(one.last_activity);
  });
}
