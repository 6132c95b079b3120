/** Limits how often an action runs. */
import { IDisposable } from '@lumino/disposable';

/**
 * Calls `action` at once for the first request, then at most once in `pause` milliseconds. Calls
 * never overlap, and one always follows the last request.
 */
export class Throttle implements IDisposable {
  constructor(
    private action: () => Promise<unknown> | void,
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
      await this.action();
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
