/** The kernels of the server, kept up to date by events. */
import { BridgeEvent, Events } from '../api/events';
import { Kernel } from '../api/types';
import { LiveList } from '../ui/liveList';
import { Kernels } from './client';

export class KernelsModel extends LiveList<Kernel> {
  constructor(
    readonly client: Kernels,
    events: Events
  ) {
    super(events, { events: ['kernel_state'], pause: 250, few: 6 });
  }

  protected keyOf(one: Kernel): string {
    return one.id;
  }

  protected textOf(one: Kernel): string {
    return `${one.name} ${one.kernelspec} ${one.id} ${one.execution_state}`;
  }

  protected fetchAll(): Promise<Kernel[]> {
    return this.client.list();
  }

  protected override keyOfEvent({ data }: BridgeEvent): string | null {
    return data.state === 'gone' ? null : data.kernel_id;
  }

  protected override fetchOne(id: string): Promise<Kernel> {
    return this.client.get(id);
  }
}
