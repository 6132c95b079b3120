/** The left side panel. It loads its sections and sends requests only once it has been shown. */
import { ITranslator } from '@jupyterlab/translation';
import { SidePanel } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Events } from '../api/events';
import { bridgeIcon } from '../ui/icons';
import { Server } from '../api/server';
import { TransfersSummary } from './summary';
import { DOMAIN, IBridge, Section } from './tokens';

/** The sections, and the panel that shows them. */
export class Bridge implements IBridge {
  constructor(
    readonly server: Server,
    readonly translator: ITranslator,
    /** Show the widget of a side area that has this id. */
    private activate: (id: string) => void
  ) {
    this.events = new Events(server);
    this.panel = new BridgePanel(translator, () => this.load());
    this.panel.disposed.connect(() => this.events.dispose());
  }

  readonly events: Events;
  readonly panel: BridgePanel;
  readonly transfers = new TransfersSummary();

  add(section: Section): void {
    this.sections.push(section);
    this.sections.sort((one, other) => one.rank - other.rank);
  }

  async show(): Promise<void> {
    this.activate(this.panel.id);
    await this.load();
  }

  /** Load the sections, once. */
  private load(): Promise<void> {
    return (this.loading ??= this.build());
  }

  private async build(): Promise<void> {
    this.events.start();
    const { server, events, translator } = this;
    const context = { server, events, translator, trans: translator.load(DOMAIN) };
    const widgets = await Promise.all(this.sections.map(section => section.load(context)));
    this.sections.forEach((section, at) => {
      const widget = widgets[at];
      widget.id = `jupyter-bridge-${section.id}`;
      widget.title.label = section.title;
      this.panel.addWidget(widget);
    });
  }

  private sections: Section[] = [];
  private loading: Promise<void> | null = null;
}

export class BridgePanel extends SidePanel {
  constructor(
    translator: ITranslator,
    private onFirstShown: () => Promise<void>
  ) {
    super({ translator });
    const trans = translator.load(DOMAIN);
    this.id = 'jupyter-bridge';
    this.addClass('jp-Bridge');
    this.title.icon = bridgeIcon;
    this.title.caption = trans.__('Bridge: kernels, consoles and connections');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Bridge'));
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.onFirstShown();
  }
}
