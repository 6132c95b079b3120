/**
 * What happens on the server, as the bridge tells it on the host's event bus. An event says only that
 * something changed and where; who shows it asks anew. The socket is the panel's own: JupyterLab's
 * does not tell when it was broken, and what was missed then has to be asked for.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { Server } from './server';

const PREFIX = 'https://events.jupyter.org/jupyter_bridge/';
/** Pause before a dropped connection is opened again, milliseconds: at first, and at most. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/** An event of the bridge: `name` is `kernel_state`, `console_state`, `transfer_state`, … */
export interface BridgeEvent {
  name: string;
  data: Record<string, string>;
}

export class Events implements IDisposable {
  constructor(private server: Server) {}

  /** Something changed. */
  get happened(): ISignal<this, BridgeEvent> {
    return this._happened;
  }

  /** Connected again after a break: whoever shows something asks for all of it. */
  get resumed(): ISignal<this, void> {
    return this._resumed;
  }

  /** Whether the socket is open; it changes with `turned`. */
  get isConnected(): boolean {
    return this._isConnected;
  }

  /** The socket was lost, or is open (again). */
  get turned(): ISignal<this, boolean> {
    return this._turned;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Open the socket; calling it again is fine. Nothing is asked of the server before. */
  start(): void {
    if (!this._socket && !this._isDisposed) {
      this.open();
    }
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
    this._socket?.close();
    this._socket = null;
    Signal.clearData(this);
  }

  /** Call back for the events of these names. */
  on(names: string[], tell: (event: BridgeEvent) => void): IDisposable {
    const slot = (_: this, event: BridgeEvent) => {
      if (names.includes(event.name)) {
        tell(event);
      }
    };
    this._happened.connect(slot);
    return new DisposableDelegate(() => this._happened.disconnect(slot));
  }

  private open(): void {
    const { WebSocket, wsUrl, token, appendToken } = this.server.settings;
    const url = URLExt.join(wsUrl, 'api/events/subscribe');
    const query = appendToken && token ? `?token=${encodeURIComponent(token)}` : '';
    const socket = new WebSocket(url + query);
    this._socket = socket;
    socket.onopen = () => {
      this._pause = FIRST_PAUSE;
      this.turn(true);
      if (this._wasBroken) {
        this._wasBroken = false;
        this._resumed.emit();
      }
    };
    socket.onmessage = message => this.onMessage(String(message.data));
    socket.onclose = () => {
      if (this._socket === socket && !this._isDisposed) {
        this._wasBroken = true;
        this.turn(false);
        this._timer = setTimeout(() => this.open(), this._pause);
        this._pause = Math.min(this._pause * 2, LONGEST_PAUSE);
      }
    };
  }

  private turn(connected: boolean): void {
    if (this._isConnected !== connected) {
      this._isConnected = connected;
      this._turned.emit(connected);
    }
  }

  private onMessage(text: string): void {
    const { schema_id, ...data } = JSON.parse(text) as Record<string, string>;
    if (typeof schema_id === 'string' && schema_id.startsWith(PREFIX)) {
      this._happened.emit({ name: schema_id.slice(PREFIX.length).split('/')[0], data });
    }
  }

  private _socket: WebSocket | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _pause = FIRST_PAUSE;
  private _wasBroken = false;
  private _isConnected = false;
  private _isDisposed = false;
  private _happened = new Signal<this, BridgeEvent>(this);
  private _resumed = new Signal<this, void>(this);
  private _turned = new Signal<this, boolean>(this);
}
