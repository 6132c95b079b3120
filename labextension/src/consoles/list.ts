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
    super(events, { names: ['console_state', 'connection_state'], pause: 500, few: 8 });
  }

  protected keyOf(one: Console): string {
    return one.name;
  }

  protected textOf(one: Console): string {
    return `${one.name} ${one.title} ${one.kind} ${one.state}`;
  }

  protected async askAll(): Promise<Console[]> {
    return sorted(await this.client.list());
  }

  protected override keyIn({ name, data }: BridgeEvent): string | null {
    return name === 'console_state' && data.state === 'live' ? data.console : null;
  }

  protected override askOne(name: string): Promise<Console> {
    return this.client.get(name);
  }

  /** An ended one stands under the same name beside the live one. */
  protected override canRenew(one: Console): boolean {
    return one.state === 'live';
  }
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
