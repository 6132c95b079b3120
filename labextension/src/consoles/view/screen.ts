/**
 * A terminal emulator that knows journal offsets: bytes are written with their offset, and it
 * remembers at which offsets its rows begin.
 */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { IMarker, ITerminalOptions, Terminal } from '@xterm/xterm';
import { IDisposable } from '@lumino/disposable';
import '@xterm/xterm/css/xterm.css';

/** Rows above the visible ones. A row of 200 columns takes about 2.5 KB. */
export const SCROLLBACK = 10_000;
/** Parsing blocks the page; a piece of this size takes a few milliseconds. Bytes. */
const PIECE = 64 * 1024;
/** The least distance between two rows whose offsets are remembered, bytes. */
const MARK_EVERY = 8 * 1024;
const NEWLINE = 10;

/** A row of the buffer, and the offset at which it begins. */
interface Mark {
  marker: IMarker;
  offset: number;
}

export class Screen implements IDisposable {
  constructor(options: ITerminalOptions) {
    this.term = new Terminal({
      allowProposedApi: true, // for unicode11
      scrollback: SCROLLBACK,
      ...options
    });
    this.term.loadAddon(this.fit);
    this.term.loadAddon(this.search);
    this.term.loadAddon(new WebLinksAddon());
    this.term.loadAddon(new Unicode11Addon());
    this.term.unicode.activeVersion = '11';
  }

  readonly term: Terminal;
  readonly fit = new FitAddon();
  readonly search = new SearchAddon({ highlightLimit: 1000 });

  /** Bytes that were written and are not parsed yet. */
  get pending(): number {
    return this._pending;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this.term.dispose();
  }

  /** Clear the screen; the next bytes begin at this offset. */
  reset(offset: number): void {
    this._generation += 1;
    this._pending = 0;
    this.marks = [];
    this.term.reset();
    this.markRow(offset);
  }

  /** Show the bytes at `offset` of the journal; resolves when they are parsed. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    const generation = this._generation;
    let done: Promise<void> = Promise.resolve();
    for (let at = 0; at < data.length;) {
      const end = endOfPiece(data, at);
      const piece = data.slice(at, end);
      const isLine = piece[piece.length - 1] === NEWLINE;
      this._pending += piece.length;
      done = new Promise(resolve =>
        this.term.write(piece, () => {
          if (generation === this._generation) {
            this._pending -= piece.length;
            if (isLine) {
              this.markRow(offset + end);
            }
          }
          resolve();
        })
      );
      at = end;
    }
    await done;
  }

  /** Show a text that is not the console's output, on a line of its own. */
  showNotice(text: string): void {
    if (this.term.buffer.active.type === 'normal') {
      // CAN (\x18) ends an incomplete escape sequence.
      this.term.write(`\x18\r\n\x1b[0;2m${text.replace(/[^\P{C}]/gu, ' ')}\x1b[0m\r\n`);
    }
  }

  /** The first row whose offset is known, counted from the top of the buffer. */
  top(): { row: number; offset: number } | null {
    this.marks = this.marks.filter(mark => !mark.marker.isDisposed && mark.marker.line >= 0);
    const first = this.marks[0];
    return first ? { row: first.marker.line, offset: first.offset } : null;
  }

  /** The row of the cursor, counted from the top of the buffer. */
  get row(): number {
    const { baseY, cursorY } = this.term.buffer.normal;
    return baseY + cursorY;
  }

  get isAtTop(): boolean {
    return this.term.buffer.active.viewportY === 0;
  }

  get isAtBottom(): boolean {
    const { viewportY, baseY } = this.term.buffer.active;
    return viewportY >= baseY;
  }

  private markRow(offset: number): void {
    const last = this.marks[this.marks.length - 1];
    if (!last || offset - last.offset >= MARK_EVERY) {
      const marker = this.term.registerMarker(0);
      if (marker) {
        this.marks.push({ marker, offset });
      }
    }
  }

  private marks: Mark[] = [];
  private _pending = 0;
  private _generation = 0;
  private _isDisposed = false;
}

/** Where a piece that begins at `at` ends: at the end of a line if possible. */
function endOfPiece(data: Uint8Array, at: number): number {
  const most = Math.min(at + PIECE, data.length);
  const newline = data.lastIndexOf(NEWLINE, most - 1);
  return newline >= at ? newline + 1 : most;
}
