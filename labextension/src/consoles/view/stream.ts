/**
 * A console's websocket, which reconnects by itself and resumes at the offset where it stopped, so
 * that no output is lost or shown twice. It pauses while the view is hidden, and while output
 * arrives faster than it can be shown.
 */
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { Problem } from '../../api/problem';
import { fromServerFrame, inputFrame, Mode, resizeFrame, ServerFrame } from '../../wire/console';
import { Consoles, StartPosition } from '../client';

/** Pause before a dropped connection is opened again, milliseconds: at first, and at most. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
/** The server refuses with the close code 4000 + HTTP status; these two are temporary. */
const REFUSED = 4400;
const TEMPORARY = [4503, 4504];
/** Input while the socket is being opened is sent afterwards, up to so many bytes. */
const MAX_INPUT = 64 * 1024;

export type StreamState = 'connecting' | 'open' | 'paused' | 'disconnected' | 'refused' | 'ended';

export class ConsoleStream implements IDisposable {
  constructor(
    private client: Consoles,
    readonly name: string,
    private _mode: Mode,
    private start: StartPosition
  ) {}

  /** Every frame, in order; output and gaps follow one another without overlap. */
  get frame(): ISignal<this, ServerFrame> {
    return this._frame;
  }

  get stateChanged(): ISignal<this, StreamState> {
    return this._stateChanged;
  }

  /** A new console has the same name; the output so far was the old one's. */
  get replaced(): ISignal<this, void> {
    return this._replaced;
  }

  get state(): StreamState {
    return this._state;
  }

  get mode(): Mode {
    return this._mode;
  }

  /** One past the last byte that arrived, where it would resume; null before the first. */
  get offset(): number | null {
    return 'offset' in this.start ? this.start.offset : null;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this.disconnect();
    Signal.clearData(this);
  }

  /** Connect, or continue after `pause`. */
  open(): void {
    if (!this._socket && !this._isDisposed && this._state !== 'ended') {
      this.connect();
    }
  }

  /** Continue at another position. */
  restart(start: StartPosition): void {
    this.disconnect();
    this.start = start;
    this._state = 'connecting';
    this.open();
  }

  /** Continue at an offset of the same epoch. */
  continueAt(offset: number): void {
    this.restart({ offset, epoch: this._epoch });
  }

  /** Reconnect in another mode. */
  changeMode(mode: Mode): void {
    this._mode = mode;
    this.waitingInput = [];
    if (this._state !== 'ended') {
      this.disconnect();
      this.open();
    }
  }

  /** Disconnect until `open`; the server stores the output meanwhile. */
  pause(): void {
    if (this._state !== 'ended') {
      this.disconnect();
      this.setState('paused');
    }
  }

  /** Send input, now or once the socket is open. Input while it is disconnected is dropped. */
  type(data: Uint8Array): void {
    if (!this.send(inputFrame(data)) && ['connecting', 'paused'].includes(this._state)) {
      const size = this.waitingInput.reduce((sum, piece) => sum + piece.length, data.length);
      if (size <= MAX_INPUT) {
        this.waitingInput.push(data);
      }
      this.open();
    }
  }

  /**
   * Call it with the mode that the server assigned to this viewer, which later reconnections use: a
   * viewer whose console was taken over watches, and one that took over does not do it again.
   */
  onModeAssigned(mode: Mode | undefined): void {
    if (mode === 'watch' || (mode && this._mode === 'steal')) {
      this._mode = mode === 'watch' ? 'watch' : 'join';
    }
  }

  resize(rows: number, cols: number): void {
    this._size = [rows, cols];
    if (this._mode !== 'watch') {
      this.send(resizeFrame(rows, cols));
    }
  }

  private send(frame: Uint8Array): boolean {
    if (this._socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    this._socket.send(frame);
    return true;
  }

  private connect(): void {
    clearTimeout(this._timer);
    this.setState(this._state === 'disconnected' ? 'disconnected' : 'connecting');
    const socket = this.client.open(this.name, this._mode, this.start);
    this._socket = socket;
    socket.onopen = () => {
      this._pause = FIRST_PAUSE;
      this.setState('open');
      if (this._size) {
        this.resize(...this._size);
      }
      for (const data of this.waitingInput.splice(0)) {
        this.send(inputFrame(data));
      }
    };
    socket.onmessage = message => {
      const frame = fromServerFrame(new Uint8Array(message.data as ArrayBuffer));
      if (frame && this._socket === socket) {
        this.onFrame(frame);
      }
    };
    socket.onclose = event => {
      if (this._socket === socket) {
        this._socket = null;
        if (this._state !== 'ended') {
          this.setState('disconnected');
          void this.onDisconnected(event.code);
        }
      }
    };
  }

  private onFrame(frame: ServerFrame): void {
    if (frame.type === 'start') {
      this._epoch = frame.about.epoch;
      if (frame.about.state === 'ended') {
        this._mode = 'watch';
      }
    } else if (frame.type === 'output') {
      this.start = { offset: frame.offset + frame.data.length, epoch: this._epoch };
    } else if (frame.type === 'gap') {
      this.start = { offset: frame.to, epoch: this._epoch };
    } else if (frame.type === 'exit') {
      this.setState('ended');
    }
    this._frame.emit(frame);
  }

  /** Reconnect, unless the console is gone or the server refuses this viewer. */
  private async onDisconnected(code: number): Promise<void> {
    try {
      const console = await this.client.get(this.name);
      if (this._epoch && console.epoch !== this._epoch) {
        this._epoch = console.epoch;
        this.start = { offset: console.first_offset, epoch: console.epoch };
        this._replaced.emit();
      } else if (code >= REFUSED && !TEMPORARY.includes(code)) {
        this.setState('refused');
        return;
      }
    } catch (error) {
      const problem = Problem.caught(error);
      if (problem.status === 404 || problem.status === 403) {
        const { code: error, message } = problem;
        this._frame.emit({ type: 'trouble', offset: 0, problem: { error, message } });
        this.setState('refused');
        return;
      }
    }
    if (!this._isDisposed && this._state === 'disconnected' && !this._socket) {
      this._timer = setTimeout(() => this.connect(), this._pause);
      this._pause = Math.min(this._pause * 2, LONGEST_PAUSE);
    }
  }

  private disconnect(): void {
    clearTimeout(this._timer);
    const socket = this._socket;
    this._socket = null;
    socket?.close();
  }

  private setState(state: StreamState): void {
    if (this._state !== state) {
      this._state = state;
      this._stateChanged.emit(state);
    }
  }

  private waitingInput: Uint8Array[] = [];
  private _socket: WebSocket | null = null;
  private _state: StreamState = 'connecting';
  private _epoch = '';
  private _size: [number, number] | null = null;
  private _pause = FIRST_PAUSE;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isDisposed = false;
  private _frame = new Signal<this, ServerFrame>(this);
  private _stateChanged = new Signal<this, StreamState>(this);
  private _replaced = new Signal<this, void>(this);
}
