/** The latest messages of a kernel, up to a limit, and the filters that choose what is shown. */
import { Model } from '../ui/model';
import { Problem } from '../api/problem';
import { fromFrameToMessage, Message } from '../wire/kernel';
import { Kernels } from './client';
import { asText } from '../wire/json';

/** Beyond these limits the oldest messages are discarded. */
export const MAX_MESSAGES = 10_000;
export const MAX_BYTES = 32 * 1024 * 1024;
/** A burst of messages is rendered at most once in so many milliseconds. */
const RENDER_EVERY = 100;
/** Pause before a dropped connection is opened again, milliseconds: at first, and at most. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
/** The server refuses with this close code or a higher one; the panel does not reconnect then. */
const REFUSED = 4400;

/** A message and its number, counted from the first that the view received. */
export interface Entry {
  number: number;
  message: Message;
}

export class MessagesModel extends Model {
  constructor(
    private client: Kernels,
    readonly id: string
  ) {
    super();
    this.connect();
  }

  /** The recorded messages, the oldest first. */
  entries: Entry[] = [];
  /** How many older messages were discarded. */
  discarded = 0;
  isPaused = false;
  /** How many messages arrived while it was paused. */
  missed = 0;
  isConnected = false;
  channels = new Set<string>();
  types = new Set<string>();
  filter = '';
  selected: Entry | null = null;

  get shown(): Entry[] {
    const { channels, types } = this;
    const text = this.filter.toLowerCase();
    return this.entries.filter(
      ({ message }) =>
        (channels.size === 0 || channels.has(message.channel)) &&
        (types.size === 0 || types.has(message.msg_type)) &&
        (text === '' || JSON.stringify(message.content).toLowerCase().includes(text))
    );
  }

  /** The types of all messages so far. */
  get knownTypes(): string[] {
    return [...this.seenTypes].sort();
  }

  toggle(kind: 'channels' | 'types', name: string): void {
    const set = this[kind];
    if (!set.delete(name)) {
      set.add(name);
    }
    this.emitChanged();
  }

  setFilter(filter: string): void {
    this.filter = filter;
    this.emitChanged();
  }

  select(entry: Entry | null): void {
    this.selected = entry;
    this.emitChanged();
  }

  /** While it is paused, messages are counted and not recorded. */
  pause(on: boolean): void {
    this.isPaused = on;
    this.missed = 0;
    this.emitChanged();
  }

  clear(): void {
    this.entries = [];
    this.bytes = 0;
    this.discarded = 0;
    this.selected = null;
    this.emitChanged();
  }

  override dispose(): void {
    clearTimeout(this.reconnectTimer);
    clearTimeout(this.renderTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    super.dispose();
  }

  /** Record a message, and discard the oldest ones beyond the limits. */
  add(message: Message): void {
    this.seenTypes.add(message.msg_type);
    if (message.channel === 'iopub' && message.msg_id) {
      this.last = message.msg_id;
    }
    if (this.isPaused) {
      this.missed += 1;
    } else {
      this.entries.push({ number: (this.count += 1), message });
      this.bytes += message.size;
      let excess = 0;
      while (this.entries.length - excess > MAX_MESSAGES || this.bytes > MAX_BYTES) {
        this.bytes -= this.entries[excess].message.size;
        excess += 1;
      }
      if (excess) {
        this.entries.splice(0, excess);
        this.discarded += excess;
      }
    }
    this.emitChangedSoon();
  }

  private emitChangedSoon(): void {
    this.renderTimer ??= setTimeout(() => {
      this.renderTimer = undefined;
      if (this.isVisible) {
        this.emitChanged();
      }
    }, RENDER_EVERY);
  }

  protected override onVisibilityChanged(): void {
    this.emitChanged();
  }

  private connect(): void {
    const socket = this.client.open(this.id, this.last);
    this.socket = socket;
    socket.onopen = () => {
      this.pauseTime = FIRST_PAUSE;
      this.isConnected = true;
      this.emitChanged();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') {
        this.fail(Problem.of(data));
      } else {
        this.add(fromFrameToMessage(new Uint8Array(data as ArrayBuffer)));
      }
    };
    socket.onclose = ({ code }) => {
      if (this.socket === socket) {
        this.isConnected = false;
        this.emitChanged();
        if (code < REFUSED) {
          void this.reconnect();
        }
      }
    };
  }

  /** Resume after the last message, unless the kernel is gone. */
  private async reconnect(): Promise<void> {
    try {
      await this.client.get(this.id);
    } catch (error) {
      const problem = Problem.caught(error);
      if (problem.status === 404 || problem.status === 403) {
        this.fail(problem);
        return;
      }
    }
    if (!this.isDisposed) {
      this.reconnectTimer = setTimeout(() => this.connect(), this.pauseTime);
      this.pauseTime = Math.min(this.pauseTime * 2, LONGEST_PAUSE);
    }
  }

  private renderTimer: ReturnType<typeof setTimeout> | undefined;
  private socket: WebSocket | null = null;
  private reconnectTimer: ReturnType<typeof setTimeout> | undefined;
  private pauseTime = FIRST_PAUSE;
  private last: string | undefined;
  private count = 0;
  private bytes = 0;
  private seenTypes = new Set<string>();
}

/** The most useful part of a message's content, by its type; the view shows it in one line. */
export function summaryOf({ msg_type, content }: Message): string {
  const field = (name: string) => asText(content[name]);
  switch (msg_type) {
    case 'status':
      return field('execution_state');
    case 'stream':
      return `${field('name')}: ${field('text')}`;
    case 'execute_input':
    case 'execute_request':
      return field('code');
    case 'error':
      return `${field('ename')}: ${field('evalue')}`;
    case 'execute_reply':
      return `${field('status')} [${field('execution_count')}]`;
    case 'bridge_gap':
      return `${field('lost')}${content.exact ? '' : '+'} lost`;
    case 'execute_result':
    case 'display_data': {
      const data = (content.data ?? {}) as Record<string, unknown>;
      return asText(data['text/plain']) || Object.keys(data).join(', ');
    }
    default:
      return JSON.stringify(content);
  }
}
