/** Doing something soon, once for many requests. */
import { IDisposable } from '@lumino/disposable';

/**
 * Calls `act` at once for the first request, then at most once in `pause` milliseconds, never beside
 * itself, and always once more after the last request.
 */
export class Throttle implements IDisposable {
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

  request(): void {
    if (this._isWaiting) {
      this._isRequested = true;
    } else if (!this._isDisposed) {
      void this.run();
    }
  }

  private async run(): Promise<void> {
    this._isWaiting = true;
    this._isRequested = false;
    try {
      await this.act();
    } finally {
      this._timer = setTimeout(() => {
        this._isWaiting = false;
        if (this._isRequested) {
          this.request();
        }
      }, this.pause);
    }
  }

  private _isDisposed = false;
  private _isWaiting = false;
  private _isRequested = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
