/** All transfers; one stream keeps them up to date while one is active and the tray is visible. */
import { Events } from '../../api/events';
import { Server, StreamEvent } from '../../api/server';
import { Transfer, TransferBody } from '../../api/types';
import { Model } from '../../ui/model';
import { Throttle } from '../../ui/throttle';

/** Stores the ids of the ended transfers that the user has cleared, across reloads. */
export interface DismissedTransfers {
  load(): string[];
  save(ids: string[]): void;
}

const PAUSE = 250;
/** Pause before a dropped stream is followed again, milliseconds. */
const RETRY_AFTER = 2000;

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

  /** The transfers that were not cleared, the newest first. */
  get transfers(): Transfer[] {
    return [...this.known.values()]
      .filter(one => !this.hidden.has(one.transfer))
      .sort((one, other) => other.created - one.created);
  }

  /** How many are queued or running. */
  get active(): number {
    return [...this.known.values()].filter(isActive).length;
  }

  /** The bytes of the active ones so far. */
  get done(): number {
    return this.sum('done');
  }

  /** The bytes of the active ones in total. */
  get total(): number {
    return this.sum('total');
  }

  /** Whether the tray is visible; progress is followed only then. */
  set isShown(shown: boolean) {
    this._isShown = shown;
    this.follow();
  }

  override dispose(): void {
    this.following?.abort();
    super.dispose();
  }

  start(body: TransferBody): Promise<void> {
    return this.send('POST', ['transfers'], body);
  }

  pause(one: Transfer): Promise<void> {
    return this.send('POST', ['transfers', one.transfer, 'pause']);
  }

  resume(one: Transfer): Promise<void> {
    return this.send('POST', ['transfers', one.transfer, 'resume']);
  }

  cancel(one: Transfer): Promise<void> {
    return this.send('DELETE', ['transfers', one.transfer]);
  }

  /** Remove the ended transfers from the tray. */
  clear(): void {
    const ended = this.transfers.filter(one => !isActive(one) && one.state !== 'paused');
    ended.forEach(one => this.hidden.add(one.transfer));
    this.dismissed.save([...this.hidden].filter(id => this.known.has(id)));
    this.emitChanged();
  }

  private async send(method: string, path: string[], body?: unknown): Promise<void> {
    this.set(await this.server.request<Transfer>(method, this.server.url(...path), { body }));
    this.follow();
  }

  private async refresh(): Promise<void> {
    try {
      this.setAll(await this.server.request<Transfer[]>('GET', this.server.url('transfers')));
    } catch (error) {
      this.fail(error);
    }
    this.follow();
  }

  private setAll(all: Transfer[]): void {
    this.known = new Map(all.map(one => [one.transfer, one]));
    this.emitChanged();
  }

  private set(one: Transfer): void {
    this.known.set(one.transfer, one);
    this.emitChanged();
  }

  private sum(name: 'done' | 'total'): number {
    return [...this.known.values()].filter(isActive).reduce((sum, one) => sum + one[name], 0);
  }

  /** Start or stop following, as the state requires. */
  private follow(): void {
    const isNeeded = this._isShown && this.active > 0 && !this.isDisposed;
    if (isNeeded && !this.following) {
      this.following = new AbortController();
      void this.read(this.following);
    } else if (!isNeeded && this.following) {
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
          this.setAll(data as Transfer[]);
        } else if (event === 'transfer') {
          this.set(data as Transfer);
        }
        this.follow();
        if (signal.aborted) {
          break;
        }
      }
    } catch {
      // Disconnected or aborted. An event reports when the server is back.
    }
    if (this.following === following) {
      this.following = null;
      setTimeout(() => !this.isDisposed && this.throttle.request(), RETRY_AFTER);
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
