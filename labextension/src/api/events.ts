/**
 * The bridge's events on the Jupyter server's event bus. An event names only what has changed; the
 * views then fetch its new state. The panel has its own websocket because JupyterLab's does not
 * report disconnections: events may be missed then, so the views fetch everything again.
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

  /** An event has arrived. */
  get received(): ISignal<this, BridgeEvent> {
    return this._received;
  }

  /** Connected again after a disconnection: events may be missing, so views fetch everything. */
  get resumed(): ISignal<this, void> {
    return this._resumed;
  }

  /** Whether the socket is open; `connectionChanged` reports each change. */
  get isConnected(): boolean {
    return this._isConnected;
  }

  /** The socket was opened (true) or lost (false). */
  get connectionChanged(): ISignal<this, boolean> {
    return this._connectionChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Open the socket; does nothing if it is open. No request is sent before. */
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

  /** Call `callback` with each event that has one of these names, until disposed. */
  on(names: string[], callback: (event: BridgeEvent) => void): IDisposable {
    const slot = (_: this, event: BridgeEvent) => {
      if (names.includes(event.name)) {
        callback(event);
      }
    };
    this._received.connect(slot);
    return new DisposableDelegate(() => this._received.disconnect(slot));
  }

  private open(): void {
    const { WebSocket, wsUrl, token, appendToken } = this.server.settings;
    const url = URLExt.join(wsUrl, 'api/events/subscribe');
    const query = appendToken && token ? `?token=${encodeURIComponent(token)}` : '';
    const socket = new WebSocket(url + query);
    this._socket = socket;
    socket.onopen = () => {
      this._pause = FIRST_PAUSE;
      this.setConnected(true);
      if (this._wasDisconnected) {
        this._wasDisconnected = false;
        this._resumed.emit();
      }
    };
    socket.onmessage = message => this.onMessage(String(message.data));
    socket.onclose = () => {
      if (this._socket === socket && !this._isDisposed) {
        this._wasDisconnected = true;
        this.setConnected(false);
        this._timer = setTimeout(() => this.open(), this._pause);
        this._pause = Math.min(this._pause * 2, LONGEST_PAUSE);
      }
    };
  }

  private setConnected(connected: boolean): void {
    if (this._isConnected !== connected) {
      this._isConnected = connected;
      this._connectionChanged.emit(connected);
    }
  }

  private onMessage(text: string): void {
    const { schema_id, ...data } = JSON.parse(text) as Record<string, string>;
    if (typeof schema_id === 'string' && schema_id.startsWith(PREFIX)) {
      this._received.emit({ name: schema_id.slice(PREFIX.length).split('/')[0], data });
    }
  }

  private _socket: WebSocket | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _pause = FIRST_PAUSE;
  private _wasDisconnected = false;
  private _isConnected = false;
  private _isDisposed = false;
  private _received = new Signal<this, BridgeEvent>(this);
  private _resumed = new Signal<this, void>(this);
  private _connectionChanged = new Signal<this, boolean>(this);
}
