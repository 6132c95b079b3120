/** What a kernel says, message by message: a bounded record of it, narrowed as one likes. */
import { Model } from '../ui/model';
import { Problem } from '../api/problem';
import { fromFrameToMessage, Message } from '../wire/kernel';
import { Kernels } from './client';
import { asText } from '../wire/json';

/** What is kept of it; then the oldest go. */
export const MOST_MESSAGES = 10_000;
export const MOST_BYTES = 32 * 1024 * 1024;
/** Milliseconds between two looks at what comes. */
const SHOW_EVERY = 100;
/** Pause before a dropped connection is opened again, milliseconds: at first, and at most. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
/** Refusals come with this close code and more; they are not tried again. */
const REFUSED = 4400;

/** A message and its number, counted from the first that was seen. */
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
    this.dial();
  }

  /** What is kept, the oldest first. */
  entries: Entry[] = [];
  /** What had to go for what came later. */
  dropped = 0;
  isPaused = false;
  /** What came while it was paused. */
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

  /** All types that were seen. */
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

  /** What comes while it is paused is counted, and not kept. */
  pause(on: boolean): void {
    this.isPaused = on;
    this.missed = 0;
    this.emitChanged();
  }

  clear(): void {
    this.entries = [];
    this.bytes = 0;
    this.dropped = 0;
    this.selected = null;
    this.emitChanged();
  }

  override dispose(): void {
    clearTimeout(this.timer);
    clearTimeout(this.telling);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    super.dispose();
  }

  /** Keep a message; the oldest go when there are too many. */
  keep(message: Message): void {
    this.seenTypes.add(message.msg_type);
    if (message.channel === 'iopub' && message.msg_id) {
      this.last = message.msg_id;
    }
    if (this.isPaused) {
      this.missed += 1;
    } else {
      this.entries.push({ number: (this.count += 1), message });
      this.bytes += message.size;
      let gone = 0;
      while (this.entries.length - gone > MOST_MESSAGES || this.bytes > MOST_BYTES) {
        this.bytes -= this.entries[gone].message.size;
        gone += 1;
      }
      if (gone) {
        this.entries.splice(0, gone);
        this.dropped += gone;
      }
    }
    this.changeSoon();
  }

  /** A burst of messages is shown a few times a second, not each by itself. */
  private changeSoon(): void {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      if (this.isVisible) {
        this.emitChanged();
      }
    }, SHOW_EVERY);
  }

  protected override onVisibilityChanged(): void {
    this.emitChanged();
  }

  private dial(): void {
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
        this.keep(fromFrameToMessage(new Uint8Array(data as ArrayBuffer)));
      }
    };
    socket.onclose = ({ code }) => {
      if (this.socket === socket) {
        this.isConnected = false;
        this.emitChanged();
        if (code < REFUSED) {
          void this.lookAfter();
        }
      }
    };
  }

  /** Disconnected: if the kernel is there, go on behind the last message. */
  private async lookAfter(): Promise<void> {
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
      this.timer = setTimeout(() => this.dial(), this.pauseTime);
      this.pauseTime = Math.min(this.pauseTime * 2, LONGEST_PAUSE);
    }
  }

  private telling: ReturnType<typeof setTimeout> | undefined;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pauseTime = FIRST_PAUSE;
  private last: string | undefined;
  private count = 0;
  private bytes = 0;
  private seenTypes = new Set<string>();
}

/** The gist of a message's content, in one line. */
export function gist({ msg_type, content }: Message): string {
  const said = (name: string) => asText(content[name]);
  switch (msg_type) {
    case 'status':
      return said('execution_state');
    case 'stream':
      return `${said('name')}: ${said('text')}`;
    case 'execute_input':
    case 'execute_request':
      return said('code');
    case 'error':
      return `${said('ename')}: ${said('evalue')}`;
    case 'execute_reply':
      return `${said('status')} [${said('execution_count')}]`;
    case 'bridge_gap':
      return `${said('lost')}${content.exact ? '' : '+'} lost`;
    case 'execute_result':
    case 'display_data': {
      const data = (content.data ?? {}) as Record<string, unknown>;
      return asText(data['text/plain']) || Object.keys(data).join(', ');
    }
    default:
      return JSON.stringify(content);
  }
}
