/** The transfers in short, for the status bar; told by the section that follows them. */
import { ISignal, Signal } from '@lumino/signaling';
import { ITransfersSummary } from './tokens';

export class TransfersSummary implements ITransfersSummary {
  active = 0;
  done = 0;
  total = 0;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Say how it stands now. */
  tell(standing: Pick<ITransfersSummary, 'active' | 'done' | 'total'>): void {
    this.active = standing.active;
    this.done = standing.done;
    this.total = standing.total;
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
}
