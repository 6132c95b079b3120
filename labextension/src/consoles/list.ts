/** The consoles of the server, kept up to date by events. */
import { BridgeEvent, Events } from '../api/events';
import { Console } from '../api/types';
import { LiveList } from '../ui/liveList';
import { Consoles } from './client';

export class ConsolesModel extends LiveList<Console> {
  constructor(
    private client: Consoles,
    events: Events
  ) {
    super(events, { events: ['console_state', 'connection_state'], pause: 500, few: 8 });
  }

  protected keyOf(one: Console): string {
    return one.name;
  }

  protected textOf(one: Console): string {
    return `${one.name} ${one.title} ${one.kind} ${one.state}`;
  }

  protected async fetchAll(): Promise<Console[]> {
    return sorted(await this.client.list());
  }

  protected override keyOfEvent({ name, data }: BridgeEvent): string | null {
    return name === 'console_state' && data.state === 'live' ? data.console : null;
  }

  protected override fetchOne(name: string): Promise<Console> {
    return this.client.get(name);
  }

  /** An ended console may have the same name as a live one, which is the one that is fetched. */
  protected override canReplace(one: Console): boolean {
    return one.state === 'live';
  }
}

/** Live consoles first, by name, so that none moves; then the ended ones, the newest first. */
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
