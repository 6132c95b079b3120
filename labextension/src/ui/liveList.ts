/** A list that events keep up to date: asked for when it is looked at, narrowed by a filter. */
import { Problem } from '../api/problem';
import { BridgeEvent, Events } from '../api/events';
import { Model } from './model';
import { Throttle } from './throttle';

export interface LiveListOptions {
  /** The events that say that something in the list has changed. */
  names: string[];
  /** Changes that come faster are shown together, milliseconds. */
  pause: number;
  /** So many changed ones are asked for one by one; with more, all are. */
  few: number;
}

export abstract class LiveList<T> extends Model {
  constructor(
    events: Events,
    private keeping: LiveListOptions
  ) {
    super();
    this.throttle = new Throttle(() => this.refresh(), keeping.pause);
    this.disposables.add(this.throttle);
    this.disposables.add(events.on(keeping.names, event => this.onEvent(event)));
    events.resumed.connect(() => this.forget());
    queueMicrotask(() => this.throttle.request()); // what asks is not constructed yet
  }

  items: readonly T[] = [];
  filter = '';
  isLoaded = false;

  /** Those that the filter leaves. */
  get shown(): readonly T[] {
    const wanted = this.filter.trim().toLowerCase();
    return wanted
      ? this.items.filter(one => this.textOf(one).toLowerCase().includes(wanted))
      : this.items;
  }

  narrow(filter: string): void {
    this.filter = filter;
    this.change();
  }

  get(key: string): T | undefined {
    return this.items.find(one => this.keyOf(one) === key);
  }

  protected abstract keyOf(item: T): string;

  /** What the filter looks into. */
  protected abstract textOf(item: T): string;

  /** Ask for all, in the order in which they are shown. */
  protected abstract askAll(): Promise<readonly T[]>;

  /** The key of the one that has changed; null where only all of them can be asked for. */
  protected keyIn(_: BridgeEvent): string | null {
    return null;
  }

  /** Ask for the one with a key that `keyIn` gave. */
  protected askOne(key: string): Promise<T> {
    return Promise.reject(new Error(`${key} is asked for with all others.`));
  }

  /** Whether what is found under its key may stand in the place of this one. */
  protected canRenew(_: T): boolean {
    return true;
  }

  /** What an answer says anyway; what was asked for before and comes later is older than that. */
  protected put(items: readonly T[]): void {
    this.items = items;
    this.isLoaded = true;
    this.answers += 1;
    this.change();
  }

  protected override onLook(): void {
    if (this.isSeen) {
      this.throttle.request();
    }
  }

  private onEvent(event: BridgeEvent): void {
    const key = this.keyIn(event);
    if (key === null || !this.get(key)) {
      this.forget();
    } else {
      this.changedKeys.add(key);
      this.throttle.request();
    }
  }

  /** Nothing is sure any more. */
  private forget(): void {
    this.isStale = true;
    this.throttle.request();
  }

  private async refresh(): Promise<void> {
    if (!this.isSeen || (!this.isStale && this.changedKeys.size === 0)) {
      return; // it is asked for when somebody looks again
    }
    const keys = [...this.changedKeys];
    const all = this.isStale || keys.length > this.keeping.few;
    this.changedKeys.clear();
    this.isStale = false;
    const { answers } = this;
    try {
      const items = all ? await this.askAll() : await this.askFor(keys);
      if (answers === this.answers) {
        this.put(items);
      } else {
        this.forget();
      }
      if (this.problem !== null && this.problem === this.refusal) {
        this.forgive();
      }
    } catch (error) {
      this.isStale = true;
      if (all) {
        this.fail(error);
        this.refusal = this.problem;
      } else {
        await this.refresh(); // one that is asked for alone may be gone by now; the list tells
      }
    }
  }

  private async askFor(keys: readonly string[]): Promise<readonly T[]> {
    const found = await Promise.all(keys.map(key => this.askOne(key)));
    const known = new Map(found.map(one => [this.keyOf(one), one]));
    return this.items.map(one => (this.canRenew(one) ? (known.get(this.keyOf(one)) ?? one) : one));
  }

  private changedKeys = new Set<string>();
  private isStale = true;
  private answers = 0;
  /** Why it could not be asked for; that is forgiven when it can again. */
  private refusal: Problem | null = null;
  private readonly throttle: Throttle;
}
