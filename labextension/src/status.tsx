/** What the status bar tells: transfers that run, and a line to the server that is lost. */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { DOMAIN, IBridge } from './tokens';

/** The item: empty as long as there is nothing to tell. */
class StatusItem extends ReactWidget {
  constructor(private bridge: IBridge) {
    super();
    this.addClass('jp-BridgeStatus');
    bridge.events.turned.connect((_, connected) => {
      this.isLost = !connected;
      this.update();
    });
    bridge.events.on(['transfer_state'], () => this.update());
  }

  protected override onUpdateRequest(message: Message): void {
    const { transfers } = this.bridge;
    if (transfers && !this.isWatching) {
      this.isWatching = true;
      transfers.changed.connect(() => this.update());
    }
    super.onUpdateRequest(message);
  }

  protected override render(): JSX.Element | null {
    const text = this.tell();
    return text ? (
      <button
        type="button"
        className="jp-Bridge-link"
        role="status"
        onClick={() => void this.bridge.show()}
      >
        {text}
      </button>
    ) : null;
  }

  private tell(): string {
    const trans = this.bridge.translator.load(DOMAIN);
    if (this.isLost) {
      return trans.__('Bridge: connection lost');
    }
    const { active, done, total } = this.bridge.transfers ?? { active: 0, done: 0, total: 0 };
    const share = total ? ` ${Math.floor((100 * done) / total)} %` : '';
    return active ? trans._n('%1 transfer', '%1 transfers', active) + share : '';
  }

  private isLost = false;
  private isWatching = false;
}

export const status: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-bridge:status',
  description: 'The status bar item of the Bridge: transfers, and a lost connection.',
  autoStart: true,
  requires: [IBridge],
  optional: [IStatusBar],
  activate: (_: JupyterFrontEnd, bridge: IBridge, bar: IStatusBar | null): void => {
    bar?.registerStatusItem('jupyter-bridge:status', {
      item: new StatusItem(bridge),
      align: 'left',
      rank: 90
    });
  }
};
