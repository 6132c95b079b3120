/** The state that a view shows; it emits `changed` when the view has to be rendered again. */
import { DisposableSet, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';
import { Problem } from '../api/problem';

export abstract class Model implements IDisposable {
  /** Emitted after a change of anything that is shown. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Why the last action failed; shown until the next success. */
  get problem(): Problem | null {
    return this._problem;
  }

  get isDisposed(): boolean {
    return this.disposables.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.disposables.dispose();
      Signal.clearData(this);
    }
  }

  /** Whether the view is visible; while it is not, the model need not be up to date. */
  get isVisible(): boolean {
    return this._isVisible;
  }

  setVisible(visible: boolean): void {
    if (visible !== this._isVisible) {
      this._isVisible = visible;
      this.onVisibilityChanged();
    }
  }

  protected onVisibilityChanged(): void {}

  /** Emit `changed`, once for all changes in the same turn of the event loop. */
  protected emitChanged(): void {
    if (!this._isEmitPending) {
      this._isEmitPending = true;
      queueMicrotask(() => {
        this._isEmitPending = false;
        if (!this.isDisposed) {
          this._changed.emit();
        }
      });
    }
  }

  /** Run `action`, and show its Problem if it fails; returns whether it succeeded. */
  async try(action: () => unknown): Promise<boolean> {
    try {
      await action();
      this.dismissProblem();
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  /** Show an error as a Problem. */
  protected fail(error: unknown): void {
    this._problem = Problem.caught(error);
    this.emitChanged();
  }

  dismissProblem(): void {
    this._problem = null;
    this.emitChanged();
  }

  protected readonly disposables = new DisposableSet();
  private _changed = new Signal<this, void>(this);
  private _problem: Problem | null = null;
  private _isEmitPending = false;
  private _isVisible = true;
}

/** Render the calling component again whenever the model changes. */
export function useModel<M extends Model>(model: M): M {
  const [, rerender] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = () => rerender();
    model.changed.connect(slot);
    rerender(); // it may have changed after the rendering and before `connect`
    return () => {
      model.changed.disconnect(slot);
    };
  }, [model]);
  return model;
}
