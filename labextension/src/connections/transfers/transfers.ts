/** The transfers: all of them, kept up to date by one stream while one is under way and somebody looks. */
import { Events } from '../../api/events';
import { Server, StreamEvent } from '../../api/server';
import { Transfer, TransferBody } from '../../api/types';
import { Model } from '../../ui/model';
import { Throttle } from '../../ui/throttle';

/** Which ended ones a person has cleared away; it outlives the page. */
export interface DismissedTransfers {
  load(): string[];
  save(ids: string[]): void;
}

const PAUSE = 250;
/** A stream that broke is followed again after so many milliseconds. */
const AGAIN = 2000;

export class TransfersModel extends Model {
  constructor(
    private server: Server,
    events: Events,
    private dismissed: DismissedTransfers
  ) {
    super();
    this.hidden = new Set(dismissed.load());
    this.throttle = new Throttle(() => this.refresh(), PAUSE);
    this.disposables.add(this.throttle);
    this.disposables.add(
      events.on(['transfer_state'], () => {
        if (!this.following) {
          this.throttle.request();
        }
      })
    );
    events.resumed.connect(() => this.throttle.request());
    this.throttle.request();
  }

  /** All that were not cleared away, the newest first. */
  get transfers(): Transfer[] {
    return [...this.known.values()]
      .filter(one => !this.hidden.has(one.transfer))
      .sort((one, other) => other.created - one.created);
  }

  /** How many wait or run. */
  get active(): number {
    return [...this.known.values()].filter(isActive).length;
  }

  /** The bytes of these, brought and in all. */
  get done(): number {
    return this.sum('done');
  }

  get total(): number {
    return this.sum('total');
  }

  /** Whether somebody looks: only then the progress is followed. */
  set isShown(shown: boolean) {
    this._isShown = shown;
    this.follow();
  }

  override dispose(): void {
    this.following?.abort();
    super.dispose();
  }

  start(wanted: TransferBody): Promise<void> {
    return this.tell('POST', ['transfers'], wanted);
  }

  pause(one: Transfer): Promise<void> {
    return this.tell('POST', ['transfers', one.transfer, 'pause']);
  }

  resume(one: Transfer): Promise<void> {
    return this.tell('POST', ['transfers', one.transfer, 'resume']);
  }

  cancel(one: Transfer): Promise<void> {
    return this.tell('DELETE', ['transfers', one.transfer]);
  }

  /** Clear the ended ones away. */
  clear(): void {
    const ended = this.transfers.filter(one => !isActive(one) && one.state !== 'paused');
    ended.forEach(one => this.hidden.add(one.transfer));
    this.dismissed.save([...this.hidden].filter(id => this.known.has(id)));
    this.emitChanged();
  }

  private async tell(method: string, path: string[], body?: unknown): Promise<void> {
    this.take(await this.server.request<Transfer>(method, this.server.url(...path), { body }));
    this.follow();
  }

  private async refresh(): Promise<void> {
    try {
      this.takeAll(await this.server.request<Transfer[]>('GET', this.server.url('transfers')));
    } catch (error) {
      this.fail(error);
    }
    this.follow();
  }

  private takeAll(all: Transfer[]): void {
    this.known = new Map(all.map(one => [one.transfer, one]));
    this.emitChanged();
  }

  private take(one: Transfer): void {
    this.known.set(one.transfer, one);
    this.emitChanged();
  }

  private sum(name: 'done' | 'total'): number {
    return [...this.known.values()].filter(isActive).reduce((sum, one) => sum + one[name], 0);
  }

  /** Follow while that is worth it, and no longer. */
  private follow(): void {
    const wanted = this._isShown && this.active > 0 && !this.isDisposed;
    if (wanted && !this.following) {
      this.following = new AbortController();
      void this.read(this.following);
    } else if (!wanted && this.following) {
      this.following.abort();
      this.following = null;
    }
  }

  private async read(following: AbortController): Promise<void> {
    const { signal } = following;
    try {
      const stream = this.server.stream<StreamEvent>('GET', this.server.url('transfers'), {
        signal
      });
      for await (const { event, data } of stream) {
        if (event === 'transfers') {
          this.takeAll(data as Transfer[]);
        } else if (event === 'transfer') {
          this.take(data as Transfer);
        }
        this.follow();
        if (signal.aborted) {
          break;
        }
      }
    } catch {
      // Disconnected, or nobody follows; the events tell when the server is back.
    }
    if (this.following === following) {
      this.following = null;
      setTimeout(() => !this.isDisposed && this.throttle.request(), AGAIN);
    }
  }

  private throttle: Throttle;
  private known = new Map<string, Transfer>();
  private hidden: Set<string>;
  private following: AbortController | null = null;
  private _isShown = false;
}

export function isActive({ state }: Transfer): boolean {
  return state === 'queued' || state === 'running';
}
