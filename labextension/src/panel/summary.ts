/** How many transfers are active, and their bytes; the section of connections sets it. */
import { ISignal, Signal } from '@lumino/signaling';
import { ITransfersSummary, TransferCounts } from './tokens';

export class TransfersSummary implements ITransfersSummary {
  active = 0;
  done = 0;
  total = 0;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  set(counts: TransferCounts): void {
    this.active = counts.active;
    this.done = counts.done;
    this.total = counts.total;
    this._changed.emit();
  }

  private _changed = new Signal<this, void>(this);
}
