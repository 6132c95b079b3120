/** Doing something soon, once for many wishes. */
import { IDisposable } from '@lumino/disposable';

/**
 * Calls `act` at once for the first wish, then at most once in `pause` milliseconds, never beside
 * itself, and always once more after the last wish.
 */
export class Soon implements IDisposable {
  constructor(
    private act: () => Promise<unknown> | void,
    private pause: number
  ) {}

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
  }

  wish(): void {
    if (this._isWaiting) {
      this._isWished = true;
    } else if (!this._isDisposed) {
      void this.run();
    }
  }

  private async run(): Promise<void> {
    this._isWaiting = true;
    this._isWished = false;
    try {
      await this.act();
    } finally {
      this._timer = setTimeout(() => {
        this._isWaiting = false;
        if (this._isWished) {
          this.wish();
        }
      }, this.pause);
    }
  }

  private _isDisposed = false;
  private _isWaiting = false;
  private _isWished = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
