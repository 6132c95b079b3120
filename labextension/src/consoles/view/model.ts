/**
 * A console as a viewer sees it: its stream and its screen. At the end of the journal the screen
 * follows the stream; far from the end it shows a window of earlier output.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { Problem } from '../../api/problem';
import { bytes } from '../../ui/components';
import { Model } from '../../ui/model';
import { Mode, ServerFrame, Viewer } from '../../wire/console';
import { Consoles } from '../client';
import { earlier, fitting, fittingFromEnd, joined, later, MAX_BYTES, Window } from './history';
import { ConsoleStream, StreamState } from './stream';
import { Screen, SCROLLBACK } from './screen';

/** The stream pauses when more bytes than HIGH wait for the screen, and resumes below LOW. */
const HIGH = 1024 * 1024;
const LOW = 64 * 1024;
/** A viewer that is so far behind skips to the end, bytes; scrolling back shows the rest. */
const SKIP = 4 * 1024 * 1024;
/** How many screens of earlier output the view opens with. */
const SCREENS = 3;
/** How many rows are shown before a line that was searched. */
const CONTEXT_ROWS = 3;
/** The most rows of a window: fewer than the screen holds. */
const MAX_ROWS = SCROLLBACK - 1000;

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
    this.stream.stateChanged.connect(() => this.emitChanged());
    this.stream.replaced.connect(() => this.onReplaced());
    this.disposables.add(this.stream);
    screen.term.onScroll(() => this.onScroll());
  }

  readonly stream: ConsoleStream;
  kind = '';
  viewers: Viewer[] = [];
  /** Its exit status, once it has ended. */
  exit: { code: number | null; signal: string | null } | null = null;
  /** Whether the screen scrolls to new output. */
  isFollowing = true;
  /** The window of earlier output on the screen; null while the screen shows the stream. */
  past: { start: number; end: number } | null = null;
  /** Whether a part of the journal is being fetched or written to the screen. */
  isLoading = false;
  wantedMode: Mode;

  get state(): StreamState {
    return this.stream.state;
  }

  /** The current mode; `watch` after another viewer took over the console. */
  get mode(): Mode {
    return this.viewers.find(viewer => viewer.you)?.mode ?? this.stream.mode;
  }

  get isStolen(): boolean {
    return this.wantedMode !== 'watch' && this.mode === 'watch' && this.state === 'open';
  }

  open(): void {
    this.stream.open();
  }

  /** Stop reading while the view is hidden. */
  pause(): void {
    if (!this.past) {
      this.stream.pause();
    }
  }

  /** Continue reading where it stopped. */
  resume(): void {
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
   * Send input, and return to the end of the output. Does nothing in mode `watch`. While a window
   * is written to the screen, the terminal emulator's replies to old escape sequences are ignored.
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

  // -- earlier output ----------------------------------------------------------------------------

  /** Show the end of the journal, and follow it. */
  goLive(): void {
    if (this.isLoading) {
      this.isLiveWanted = true; // after the window that is being written
      return;
    }
    this.past = null;
    this.isFollowing = true;
    this.isFresh = true;
    this.isBehind = false;
    this.stream.restart({ lines: SCREENS * this.screen.term.rows });
    this.emitChanged();
  }

  /** Show the beginning of the journal. */
  goFirst(): Promise<unknown> {
    return this.load(async () => {
      const { first_offset, end_offset } = await this.client.get(this.name);
      this.stream.pause();
      const found = await later(this.client, this.name, first_offset, end_offset);
      await this.showPast(fitting(found, MAX_ROWS), end_offset, () => 0);
    });
  }

  /** Show the output before the top of the screen, without moving the rows in view. */
  goEarlier(): Promise<unknown> {
    return this.load(async () => {
      const top = this.screen.top();
      const { first_offset, end_offset } = await this.client.get(this.name);
      if (!top || top.offset <= first_offset) {
        return;
      }
      const end = this.past?.end ?? this.stream.offset ?? end_offset;
      this.stream.pause();
      const found = await earlier(this.client, this.name, first_offset, top.offset);
      const before = fittingFromEnd(found, MAX_ROWS / 2);
      const known = await this.read(top.offset, Math.min(end, top.offset + MAX_BYTES));
      const shown = fitting(joined(before, known), MAX_ROWS);
      // `before` ends at the first known row, which was `top.row` rows below the top of the buffer.
      await this.showPast(shown, end_offset, rows => rows - top.row, before.data.length);
    });
  }

  /** Show the line at this offset, selected, and output before and after it. */
  goTo(offset: number): Promise<unknown> {
    return this.load(async () => {
      const { first_offset, end_offset } = await this.client.get(this.name);
      const start = Math.max(first_offset, offset);
      this.stream.pause();
      const found = await earlier(this.client, this.name, first_offset, start);
      const before = fittingFromEnd(found, MAX_ROWS / 2);
      const after = fitting(await later(this.client, this.name, start, end_offset), MAX_ROWS / 2);
      let line = 0;
      const show = (row: number) => Math.max(0, (line = row) - CONTEXT_ROWS);
      await this.showPast(joined(before, after), end_offset, show, before.data.length);
      this.screen.term.select(0, line, this.screen.term.cols);
    });
  }

  /** The part of the journal that the screen holds; it ends with the newest output shown. */
  get loaded(): { start: number; end: number } | null {
    const start = this.screen.top()?.offset;
    const end = this.past?.end ?? this.stream.offset;
    return start === undefined || end === null ? null : { start, end };
  }

  /** Show the output after the end of the window. */
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
      const after = fitting(found, MAX_ROWS / 2);
      const shown = fittingFromEnd(joined(known, after), MAX_ROWS);
      const rows = this.screen.term.rows;
      await this.showPast(shown, end_offset, at => at - rows + 1, past.end - shown.start);
    });
  }

  private async read(offset: number, to: number): Promise<Window> {
    const { offset: start, data } = await this.client.read(this.name, offset, to);
    return { start, end: to, data };
  }

  /**
   * Write a window to the screen; if it reaches the end of the journal, continue with the stream.
   * `rowAtTop` gets the row at which the first `known` bytes end, and returns the row to scroll to.
   */
  private async showPast(
    window: Window,
    journalEnd: number,
    rowAtTop: (row: number) => number,
    known = 0
  ): Promise<void> {
    this.isFollowing = false;
    this.isFresh = false;
    this.isBehind = false;
    this.past = { start: window.start, end: window.end };
    this.screen.reset(window.start);
    await this.screen.write(window.start, window.data.subarray(0, known));
    const row = this.screen.row;
    await this.screen.write(window.start + known, window.data.subarray(known));
    this.screen.term.scrollToLine(Math.max(0, rowAtTop(row)));
    if (window.end >= journalEnd || window.end >= (this.stream.offset ?? Infinity)) {
      this.past = null;
      this.stream.continueAt(window.end);
    }
  }

  /** Run an action that writes a window, one at a time; `onScroll` ignores its scrolling. */
  private async load(action: () => Promise<void>): Promise<void> {
    if (!this.isLoading) {
      this.isLoading = true;
      this.emitChanged();
      await this.try(action);
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

  /** Call it after the user has scrolled, by wheel, key or scroll bar. */
  onUserScroll(): void {
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
        // Only terminals end lines with \r\n.
        this.screen.term.options.convertEol = this.kind === 'file' || this.kind === 'kernel';
        this.skipIfBehind(frame.offset);
        break;
      case 'modes':
        this.setModes(frame.offset, frame.data);
        return;
      case 'output':
        this.show(frame.offset, frame.data);
        return;
      case 'gap':
        this.screen.showNotice(
          this.trans.__('[%1 are no longer stored]', bytes(frame.to - frame.offset))
        );
        break;
      case 'viewers':
        this.viewers = frame.viewers;
        this.stream.onModeAssigned(frame.viewers.find(viewer => viewer.you)?.mode);
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

  /** Set the terminal's modes of the first output; a screen that has output has them. */
  private setModes(offset: number, data: Uint8Array): void {
    if (this.isFresh) {
      this.isFresh = false;
      this.screen.reset(offset);
      this.screen.term.write(data);
    }
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
      if (this.isBehind && this.screen.pending < LOW && !this.past && !this.isDisposed) {
        this.isBehind = false;
        this.stream.open();
      }
    });
    if (!this.isBehind && this.screen.pending > HIGH) {
      this.isBehind = true;
      this.stream.pause();
    }
  }

  private skipIfBehind(journalEnd: number): void {
    const offset = this.stream.offset;
    if (offset !== null && journalEnd - offset > SKIP) {
      this.screen.showNotice(
        this.trans.__('[%1 skipped; scroll back to read them]', bytes(journalEnd - offset))
      );
      this.stream.restart({ lines: SCREENS * this.screen.term.rows });
    }
  }

  private onReplaced(): void {
    this.exit = null;
    this.screen.showNotice(this.trans.__('[a new console with this name]'));
  }

  /** Whether the next output goes to an empty screen. */
  private isFresh = true;
  private isLiveWanted = false;
  private isBehind = false;
}
