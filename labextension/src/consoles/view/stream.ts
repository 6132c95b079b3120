/**
 * A console's websocket, opened again when it breaks: it resumes at the offset where it stopped, so
 * that nothing is lost or seen twice. It rests when nobody looks, or when too much is coming.
 */
import { IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { Problem } from '../../api/problem';
import { fromServerFrame, inputFrame, Mode, resizeFrame, ServerFrame } from '../../wire/console';
import { Beginning, Consoles } from '../client';

/** Pause before a dropped connection is opened again, milliseconds: at first, and at most. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 10_000;
/** Refusals come with 4000 and their HTTP status; those that pass are tried again. */
const REFUSED = 4400;
const PASSING = [4503, 4504];
/** What is typed while the socket is being opened is sent then; more than this is not, bytes. */
const MOST_TYPED = 64 * 1024;

export type StreamState = 'connecting' | 'open' | 'resting' | 'broken' | 'refused' | 'ended';

export class ConsoleStream implements IDisposable {
  constructor(
    private client: Consoles,
    readonly name: string,
    private _mode: Mode,
    private beginning: Beginning
  ) {}

  /** Every frame, in order; output and gaps go on from one another without overlap. */
  get frame(): ISignal<this, ServerFrame> {
    return this._frame;
  }

  /** The state has changed. */
  get turned(): ISignal<this, StreamState> {
    return this._turned;
  }

  /** Another console has taken the name: what was shown is of the one before. */
  get replaced(): ISignal<this, void> {
    return this._replaced;
  }

  get state(): StreamState {
    return this._state;
  }

  get mode(): Mode {
    return this._mode;
  }

  /** Where to go on: one past the last byte that was seen; null before the first. */
  get offset(): number | null {
    return 'offset' in this.beginning ? this.beginning.offset : null;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this.hangUp();
    Signal.clearData(this);
  }

  /** Open it, or go on after a rest. */
  open(): void {
    if (!this._socket && !this._isDisposed && this._state !== 'ended') {
      this.dial();
    }
  }

  /** Go on somewhere else. */
  restart(beginning: Beginning): void {
    this.hangUp();
    this.beginning = beginning;
    this._state = 'connecting';
    this.open();
  }

  /** Go on at an offset of the same epoch, after something else was shown. */
  continueAt(offset: number): void {
    this.restart({ offset, epoch: this._epoch });
  }

  /** Take part in another way. */
  changeMode(mode: Mode): void {
    this._mode = mode;
    this.typed = [];
    if (this._state !== 'ended') {
      this.hangUp();
      this.open();
    }
  }

  /** Let go until `open`; what comes meanwhile waits at the server. */
  rest(): void {
    if (this._state !== 'ended') {
      this.hangUp();
      this.turn('resting');
    }
  }

  /** Type: now, or once the socket is open. What is typed while it is broken is not sent. */
  type(data: Uint8Array): void {
    if (!this.send(inputFrame(data)) && ['connecting', 'resting'].includes(this._state)) {
      const waiting = this.typed.reduce((sum, piece) => sum + piece.length, data.length);
      if (waiting <= MOST_TYPED) {
        this.typed.push(data);
      }
      this.open();
    }
  }

  /**
   * How the server has seated us: who was stolen from comes back as a watcher, and who has stolen
   * does not steal again after a break.
   */
  settle(mode: Mode | undefined): void {
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

  private dial(): void {
    clearTimeout(this._timer);
    this.turn(this._state === 'broken' ? 'broken' : 'connecting');
    const socket = this.client.open(this.name, this._mode, this.beginning);
    this._socket = socket;
    socket.onopen = () => {
      this._pause = FIRST_PAUSE;
      this.turn('open');
      if (this._size) {
        this.resize(...this._size);
      }
      for (const data of this.typed.splice(0)) {
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
          this.turn('broken');
          void this.onBroken(event.code);
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
      this.beginning = { offset: frame.offset + frame.data.length, epoch: this._epoch };
    } else if (frame.type === 'gap') {
      this.beginning = { offset: frame.to, epoch: this._epoch };
    } else if (frame.type === 'exit') {
      this.turn('ended');
    }
    this._frame.emit(frame);
  }

  /** The socket broke, or was refused: find out why, and go on. */
  private async onBroken(code: number): Promise<void> {
    try {
      const console = await this.client.get(this.name);
      if (this._epoch && console.epoch !== this._epoch) {
        this._epoch = console.epoch;
        this.beginning = { offset: console.first_offset, epoch: console.epoch };
        this._replaced.emit();
      } else if (code >= REFUSED && !PASSING.includes(code)) {
        this.turn('refused');
        return;
      }
    } catch (error) {
      const problem = Problem.caught(error);
      if (problem.status === 404 || problem.status === 403) {
        const { code: word, message } = problem;
        this._frame.emit({ type: 'trouble', offset: 0, problem: { error: word, message } });
        this.turn('refused');
        return;
      }
    }
    if (!this._isDisposed && this._state === 'broken' && !this._socket) {
      this._timer = setTimeout(() => this.dial(), this._pause);
      this._pause = Math.min(this._pause * 2, LONGEST_PAUSE);
    }
  }

  private hangUp(): void {
    clearTimeout(this._timer);
    const socket = this._socket;
    this._socket = null;
    socket?.close();
  }

  private turn(state: StreamState): void {
    if (this._state !== state) {
      this._state = state;
      this._turned.emit(state);
    }
  }

  private typed: Uint8Array[] = [];
  private _socket: WebSocket | null = null;
  private _state: StreamState = 'connecting';
  private _epoch = '';
  private _size: [number, number] | null = null;
  private _pause = FIRST_PAUSE;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isDisposed = false;
  private _frame = new Signal<this, ServerFrame>(this);
  private _turned = new Signal<this, StreamState>(this);
  private _replaced = new Signal<this, void>(this);
}
