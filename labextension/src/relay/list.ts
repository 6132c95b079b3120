/** The kernels that there are, kept true by events. */
import { Events } from '../events';
import { Model } from '../ui/model';
import { Soon } from '../ui/soon';
import { Kernel, Kernels } from './client';

/** Changes that come faster are shown together, milliseconds. */
const PAUSE = 250;
/** So many changed kernels are asked for one by one; with more, all are. */
const FEW = 6;

export class KernelsModel extends Model {
  constructor(
    readonly client: Kernels,
    events: Events
  ) {
    super();
    this.disposables.add(this.soon);
    this.disposables.add(
      events.on(['kernel_state'], ({ data }) => {
        if (data.state !== 'gone' && this.kernels.some(({ id }) => id === data.kernel_id)) {
          this.changedIds.add(data.kernel_id);
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

  kernels: Kernel[] = [];
  filter = '';

  /** Those that the filter leaves. */
  get shown(): Kernel[] {
    const wanted = this.filter.trim().toLowerCase();
    return wanted
      ? this.kernels.filter(one =>
          `${one.name} ${one.kernelspec} ${one.id} ${one.execution_state}`
            .toLowerCase()
            .includes(wanted)
        )
      : this.kernels;
  }

  narrow(filter: string): void {
    this.filter = filter;
    this.change();
  }

  protected override onLook(): void {
    if (this.isSeen) {
      this.soon.wish();
    }
  }

  private async refresh(): Promise<void> {
    if (!this.isSeen || (!this.isStale && this.changedIds.size === 0)) {
      return; // it is asked for when somebody looks again
    }
    const ids = [...this.changedIds];
    const all = this.isStale || ids.length > FEW;
    this.changedIds.clear();
    this.isStale = false;
    try {
      if (all) {
        this.kernels = await this.client.list();
      } else {
        const found = await Promise.all(ids.map(id => this.client.get(id)));
        const known = new Map(found.map(one => [one.id, one]));
        this.kernels = this.kernels.map(one => known.get(one.id) ?? one);
      }
      this.change();
    } catch (error) {
      // One that is asked for may be gone by now; the list tells.
      this.isStale = true;
      if (all) {
        await this.try(() => Promise.reject(error));
      } else {
        await this.refresh();
      }
    }
  }

  private changedIds = new Set<string>();
  private isStale = true;
  private readonly soon = new Soon(() => this.refresh(), PAUSE);
}
