/** The status bar item: transfers in progress, and a lost connection to the server. */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ReactWidget } from '@jupyterlab/ui-components';
import { DOMAIN, IBridge } from './tokens';

/** Empty while no transfer is active and the server is connected. */
class StatusItem extends ReactWidget {
  constructor(private bridge: IBridge) {
    super();
    this.addClass('jp-BridgeStatus');
    bridge.events.connectionChanged.connect((_, connected) => {
      this.isLost = !connected;
      this.update();
    });
    bridge.transfers.changed.connect(() => this.update());
  }

  protected override render(): JSX.Element | null {
    const text = this.text();
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

  private text(): string {
    const trans = this.bridge.translator.load(DOMAIN);
    if (this.isLost) {
      return trans.__('Bridge: connection lost');
    }
    const { active, done, total } = this.bridge.transfers;
    if (active === 0) {
      return '';
    }
    const count = trans._n('%1 transfer', '%1 transfers', active);
    return total ? trans.__('%1, %2 %', count, Math.floor((done / total) * 100)) : count;
  }

  private isLost = false;
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
