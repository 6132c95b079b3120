/** A list of the server's that events keep up to date, and that the user can filter. */
import { Problem } from '../api/problem';
import { BridgeEvent, Events } from '../api/events';
import { Model } from './model';
import { Throttle } from './throttle';

export interface LiveListOptions {
  /** The names of the events that report a change in the list. */
  events: string[];
  /** The least time between two requests, milliseconds; events meanwhile share the next one. */
  pause: number;
  /** Up to so many changed items are fetched one by one; if there are more, the whole list is. */
  few: number;
}

export abstract class LiveList<T> extends Model {
  constructor(
    events: Events,
    private options: LiveListOptions
  ) {
    super();
    this.throttle = new Throttle(() => this.refresh(), options.pause);
    this.disposables.add(this.throttle);
    this.disposables.add(events.on(options.events, event => this.onEvent(event)));
    events.resumed.connect(() => this.invalidate());
    queueMicrotask(() => this.throttle.request()); // after the subclass's constructor
  }

  items: readonly T[] = [];
  filter = '';
  isLoaded = false;

  /** The items that match the filter. */
  get shown(): readonly T[] {
    const text = this.filter.trim().toLowerCase();
    return text
      ? this.items.filter(one => this.textOf(one).toLowerCase().includes(text))
      : this.items;
  }

  setFilter(filter: string): void {
    this.filter = filter;
    this.emitChanged();
  }

  get(key: string): T | undefined {
    return this.items.find(one => this.keyOf(one) === key);
  }

  protected abstract keyOf(item: T): string;

  /** The text of an item that the filter searches. */
  protected abstract textOf(item: T): string;

  /** Request all items, in the order in which they are shown. */
  protected abstract fetchAll(): Promise<readonly T[]>;

  /** The key of the changed item, to fetch it alone; null to fetch the whole list. */
  protected keyOfEvent(_: BridgeEvent): string | null {
    return null;
  }

  /** Request the item with a key that `keyOfEvent` returned. */
  protected fetchOne(key: string): Promise<T> {
    return Promise.reject(new Error(`${key} cannot be fetched alone.`));
  }

  /** Whether an item that was fetched by the same key may replace this one. */
  protected canReplace(_: T): boolean {
    return true;
  }

  /** Show these items. The response to an earlier request that arrives later is then ignored. */
  protected setItems(items: readonly T[]): void {
    this.items = items;
    this.isLoaded = true;
    this.generation += 1;
    this.emitChanged();
  }

  protected override onVisibilityChanged(): void {
    if (this.isVisible) {
      this.throttle.request();
    }
  }

  private onEvent(event: BridgeEvent): void {
    const key = this.keyOfEvent(event);
    if (key === null || !this.get(key)) {
      this.invalidate();
    } else {
      this.changedKeys.add(key);
      this.throttle.request();
    }
  }

  /** Fetch the whole list. */
  private invalidate(): void {
    this.isStale = true;
    this.throttle.request();
  }

  private async refresh(): Promise<void> {
    if (!this.isVisible || (!this.isStale && this.changedKeys.size === 0)) {
      return; // fetched when it becomes visible again
    }
    const keys = [...this.changedKeys];
    const all = this.isStale || keys.length > this.options.few;
    this.changedKeys.clear();
    this.isStale = false;
    const { generation } = this;
    try {
      const items = all ? await this.fetchAll() : await this.fetchEach(keys);
      if (generation === this.generation) {
        this.setItems(items);
      } else {
        this.invalidate();
      }
      if (this.problem !== null && this.problem === this.fetchProblem) {
        this.dismissProblem();
      }
    } catch (error) {
      this.isStale = true;
      if (all) {
        this.fail(error);
        this.fetchProblem = this.problem;
      } else {
        await this.refresh(); // the item may be gone by now: fetch the whole list
      }
    }
  }

  private async fetchEach(keys: readonly string[]): Promise<readonly T[]> {
    const found = await Promise.all(keys.map(key => this.fetchOne(key)));
    const byKey = new Map(found.map(one => [this.keyOf(one), one]));
    return this.items.map(one =>
      this.canReplace(one) ? (byKey.get(this.keyOf(one)) ?? one) : one
    );
  }

  private changedKeys = new Set<string>();
  private isStale = true;
  /** Counts calls of `setItems`. */
  private generation = 0;
  /** Why the last fetch failed; dismissed when a later one succeeds. */
  private fetchProblem: Problem | null = null;
  private readonly throttle: Throttle;
}
