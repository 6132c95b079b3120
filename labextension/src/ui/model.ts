/** What a section shows: asked of the server when it is first looked at, kept up to date by events. */
import { DisposableSet, IDisposable } from '@lumino/disposable';
import { ISignal, Signal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';
import { Problem } from '../api/problem';

/** Something that changes, and tells so. */
export abstract class Model implements IDisposable {
  /** Something that is shown has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What went wrong the last time; shown until the next success. */
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

  /** Whether somebody looks at it; out of sight it need not be kept up to date. */
  get isSeen(): boolean {
    return this._isSeen;
  }

  /** Somebody looks at it, or no longer does. */
  look(seen: boolean): void {
    if (seen !== this._isSeen) {
      this._isSeen = seen;
      this.onLook();
    }
  }

  /** It has come into sight, or gone out of it. */
  protected onLook(): void {}

  /** Tell that something has changed; once for all changes of one turn. */
  protected change(): void {
    if (!this._isTelling) {
      this._isTelling = true;
      queueMicrotask(() => {
        this._isTelling = false;
        if (!this.isDisposed) {
          this._changed.emit();
        }
      });
    }
  }

  /** Do something, and show its Problem if it fails; whether it succeeded. */
  async try(doing: () => unknown): Promise<boolean> {
    try {
      await doing();
      this.forgive();
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  /** Show what went wrong. */
  protected fail(error: unknown): void {
    this._problem = Problem.caught(error);
    this.change();
  }

  /** The reader has seen the Problem. */
  forgive(): void {
    this._problem = null;
    this.change();
  }

  protected readonly disposables = new DisposableSet();
  private _changed = new Signal<this, void>(this);
  private _problem: Problem | null = null;
  private _isTelling = false;
  private _isSeen = true;
}

/** Show a model anew whenever it changes. */
export function useModel<M extends Model>(model: M): M {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = () => again();
    model.changed.connect(slot);
    again(); // it may have changed since it was drawn, before anybody listened
    return () => {
      model.changed.disconnect(slot);
    };
  }, [model]);
  return model;
}
