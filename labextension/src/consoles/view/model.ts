/**
 * A console as its viewer sees it: its stream and the screen. At the end of the journal the screen
 * follows the stream; far from it, it shows a window of earlier output.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { Problem } from '../../api/problem';
import { bytes } from '../../ui/components';
import { Model } from '../../ui/model';
import { Mode, ServerFrame, Viewer } from '../../wire/console';
import { Consoles } from '../client';
import { earlier, fitting, fittingFromEnd, joined, later, MOST_BYTES, Window } from './history';
import { ConsoleStream, StreamState } from './stream';
import { Screen, SCROLLBACK } from './screen';

/** With so many bytes on their way to the screen the stream rests; with so few it goes on. */
const HIGH = 1024 * 1024;
const LOW = 64 * 1024;
/** Who is so far behind the present skips to it; what was left out can be scrolled back to. Bytes. */
const SKIP = 4 * 1024 * 1024;
/** Rows of history that the screen opens with, as screens. */
const SCREENS = 3;
/** Rows that a window of history may have: some less than the screen keeps. */
const MOST_ROWS = SCROLLBACK - 1000;

export class ConsoleModel extends Model {
  constructor(
    readonly name: string,
    mode: Mode,
    private client: Consoles,
    readonly screen: Screen,
    private trans: TranslationBundle
  ) {
    super();
    this.wantedMode = mode;
    this.stream = new ConsoleStream(client, name, mode, { lines: SCREENS * screen.term.rows });
    this.stream.frame.connect((_, frame) => this.onFrame(frame));
    this.stream.turned.connect(() => this.emitChanged());
    this.stream.replaced.connect(() => this.onReplaced());
    this.disposables.add(this.stream);
    screen.term.onScroll(() => this.onScroll());
  }

  readonly stream: ConsoleStream;
  kind = '';
  viewers: Viewer[] = [];
  /** How it ended, once it has. */
  exit: { code: number | null; signal: string | null } | null = null;
  /** Whether new output brings the screen to the bottom. */
  isFollowing = true;
  /** What is shown of the journal while the screen is apart from the stream; null while it follows. */
  past: { start: number; end: number } | null = null;
  /** Whether a part of the journal is on its way. */
  isLoading = false;
  wantedMode: Mode;

  get state(): StreamState {
    return this.stream.state;
  }

  /** How this viewer takes part now: who was stolen from watches. */
  get mode(): Mode {
    return this.viewers.find(viewer => viewer.you)?.mode ?? this.stream.mode;
  }

  get isStolen(): boolean {
    return this.wantedMode !== 'watch' && this.mode === 'watch' && this.state === 'open';
  }

  open(): void {
    this.stream.open();
  }

  /** Nobody looks: nothing is read until somebody does. */
  rest(): void {
    if (!this.past) {
      this.stream.rest();
    }
  }

  /** Somebody looks again. */
  wake(): void {
    if (!this.past) {
      this.stream.open();
    }
  }

  changeMode(mode: Mode): void {
    this.wantedMode = mode;
    if (this.past) {
      this.goLive();
    }
    this.stream.changeMode(mode);
    this.emitChanged();
  }

  follow(on: boolean): void {
    this.isFollowing = on;
    if (on) {
      if (this.past) {
        this.goLive();
      } else {
        this.screen.term.scrollToBottom();
      }
    }
    this.emitChanged();
  }

  /**
   * Type; a watcher's keys go nowhere, and who reads the past comes back first. What a terminal
   * answers to questions in the past that is being written to it is nobody's input.
   */
  type(data: Uint8Array): void {
    if (this.isLoading || this.mode === 'watch') {
      return;
    }
    if (this.past) {
      this.goLive();
    }
    this.stream.type(data);
  }

  // -- the past ----------------------------------------------------------------------------------

  /** Show the end of the journal, and follow it. */
  goLive(): void {
    if (this.isLoading) {
      this.isLiveWanted = true; // what is being written to the screen goes first
      return;
    }
    this.past = null;
    this.isFollowing = true;
    this.isFresh = true;
    this.isCrowded = false;
    this.stream.restart({ lines: SCREENS * this.screen.term.rows });
    this.emitChanged();
  }

  /** Show the journal from its first byte on. */
  goFirst(): Promise<unknown> {
    return this.load(async () => {
      const { first_offset, end_offset } = await this.client.get(this.name);
      this.stream.rest();
      const found = await later(this.client, this.name, first_offset, end_offset);
      await this.showPast(fitting(found, MOST_ROWS), end_offset, () => 0);
    });
  }

  /** Show what stands before the top of the screen, and keep the reader's place. */
  goEarlier(): Promise<unknown> {
    return this.load(async () => {
      const top = this.screen.top();
      const { first_offset, end_offset } = await this.client.get(this.name);
      if (!top || top.offset <= first_offset) {
        return;
      }
      const end = this.past?.end ?? this.stream.offset ?? end_offset;
      this.stream.rest();
      const found = await earlier(this.client, this.name, first_offset, top.offset);
      const before = fittingFromEnd(found, MOST_ROWS / 2);
      const rest = await this.read(top.offset, Math.min(end, top.offset + MOST_BYTES));
      const shown = fitting(joined(before, rest), MOST_ROWS);
      // The row at the top is where `before` ends; it was so many rows below the top of the screen.
      await this.showPast(shown, end_offset, rows => rows - top.row, before.data.length);
    });
  }

  /** Show what stands behind the bottom of the window. */
  goLater(): Promise<unknown> {
    return this.load(async () => {
      const past = this.past;
      if (!past) {
        return;
      }
      const { end_offset } = await this.client.get(this.name);
      const top = this.screen.top()?.offset ?? past.start;
      const known = await this.read(top, past.end);
      const found = await later(this.client, this.name, past.end, end_offset);
      const after = fitting(found, MOST_ROWS / 2);
      const shown = fittingFromEnd(joined(known, after), MOST_ROWS);
      const rows = this.screen.term.rows;
      await this.showPast(shown, end_offset, at => at - rows + 1, past.end - shown.start);
    });
  }

  private async read(offset: number, to: number): Promise<Window> {
    const { offset: start, data } = await this.client.read(this.name, offset, to);
    return { start, end: to, data };
  }

  /**
   * Write a window to the screen; where it reaches the present, the stream goes on from there.
   * `place` says which row comes to the top, told the row at which the first `known` bytes end.
   */
  private async showPast(
    window: Window,
    present: number,
    place: (row: number) => number,
    known = 0
  ): Promise<void> {
    this.isFollowing = false;
    this.isFresh = false;
    this.isCrowded = false;
    this.past = { start: window.start, end: window.end };
    this.screen.reset(window.start);
    await this.screen.write(window.start, window.data.subarray(0, known));
    const row = this.screen.row;
    await this.screen.write(window.start + known, window.data.subarray(known));
    this.screen.term.scrollToLine(Math.max(0, place(row)));
    if (window.end >= present || window.end >= (this.stream.offset ?? Infinity)) {
      this.past = null;
      this.stream.continueAt(window.end);
    }
  }

  /** Do what changes the screen, one at a time; scrolling that it causes is not the reader's. */
  private async load(doing: () => Promise<void>): Promise<void> {
    if (!this.isLoading) {
      this.isLoading = true;
      this.emitChanged();
      await this.try(doing);
      this.isLoading = false;
      this.emitChanged();
      if (this.isLiveWanted) {
        this.isLiveWanted = false;
        this.goLive();
      }
    }
  }

  private onScroll(): void {
    if (this.isLoading || this.screen.term.buffer.active.type !== 'normal') {
      return;
    }
    const follows = !this.past && this.screen.isAtBottom;
    if (follows !== this.isFollowing && !this.past) {
      this.isFollowing = follows;
      this.emitChanged();
    }
  }

  /** The reader has moved, by wheel, key or bar. */
  onMoved(): void {
    if (this.screen.isAtTop && this.screen.term.buffer.active.baseY > 0) {
      void this.goEarlier();
    } else if (this.past && this.screen.isAtBottom) {
      void this.goLater();
    }
    this.onScroll();
  }

  // -- the stream --------------------------------------------------------------------------------

  private onFrame(frame: ServerFrame): void {
    switch (frame.type) {
      case 'start':
        this.kind = frame.about.kind;
        // What is no terminal ends its lines as files do.
        this.screen.term.options.convertEol = this.kind === 'file' || this.kind === 'kernel';
        this.skipIfBehind(frame.offset);
        break;
      case 'output':
        this.show(frame.offset, frame.data);
        return;
      case 'gap':
        this.screen.say(this.trans.__('[%1 are no longer stored]', bytes(frame.to - frame.offset)));
        break;
      case 'viewers':
        this.viewers = frame.viewers;
        this.stream.settle(frame.viewers.find(viewer => viewer.you)?.mode);
        break;
      case 'exit':
        this.exit = frame.exit;
        break;
      case 'trouble':
        this.fail(Problem.of(JSON.stringify(frame.problem)));
        break;
    }
    this.emitChanged();
  }

  private show(offset: number, data: Uint8Array): void {
    if (this.isFresh) {
      this.isFresh = false;
      this.screen.reset(offset);
    }
    void this.screen.write(offset, data).then(() => {
      if (this.isFollowing && !this.screen.isAtBottom) {
        this.screen.term.scrollToBottom();
      }
      if (this.isCrowded && this.screen.pending < LOW && !this.past && !this.isDisposed) {
        this.isCrowded = false;
        this.stream.open();
      }
    });
    if (!this.isCrowded && this.screen.pending > HIGH) {
      this.isCrowded = true;
      this.stream.rest();
    }
  }

  private skipIfBehind(present: number): void {
    const offset = this.stream.offset;
    if (offset !== null && present - offset > SKIP) {
      this.screen.say(
        this.trans.__('[%1 skipped; scroll back to read them]', bytes(present - offset))
      );
      this.stream.restart({ lines: SCREENS * this.screen.term.rows });
    }
  }

  private onReplaced(): void {
    this.exit = null;
    this.screen.say(this.trans.__('[a new console with this name]'));
  }

  /** Whether the next output is the first of a screen. */
  private isFresh = true;
  private isLiveWanted = false;
  private isCrowded = false;
}
