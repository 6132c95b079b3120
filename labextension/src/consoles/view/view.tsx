/** A console in the main area: the screen, a search bar, a status line. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Panel, Widget } from '@lumino/widgets';
import { Mode } from '../../wire/console';
import { Consoles } from '../client';
import { ConsoleModel } from './model';
import { Screen } from './screen';
import { SearchBar } from './search';
import { StatusLine } from './statusline';
import { terminalTheme } from './theme';

/** What of the settings concerns a view. */
export interface ViewSettings {
  fontSize: number;
  fontFamily: string;
  lineHeight: number;
  screenReader: boolean;
  /** Seconds out of sight after which nothing is read any more. */
  restAfter: number;
}

export class ConsoleView extends Panel {
  constructor(
    client: Consoles,
    name: string,
    mode: Mode,
    trans: TranslationBundle,
    private settings: ViewSettings
  ) {
    super();
    this.addClass('jp-BridgeConsole');
    this.screen = new Screen({
      theme: terminalTheme(),
      fontSize: settings.fontSize,
      fontFamily: settings.fontFamily,
      lineHeight: settings.lineHeight,
      screenReaderMode: settings.screenReader
    });
    this.model = new ConsoleModel(name, mode, client, this.screen, trans);
    this.search = new SearchBar(this.screen, trans);
    this.search.hide();
    this.place.addClass('jp-BridgeConsole-screen');
    const status = ReactWidget.create(<StatusLine model={this.model} trans={trans} />);
    status.addClass('jp-BridgeConsole-status');
    for (const widget of [this.search, this.place, status]) {
      this.addWidget(widget);
    }
    this.connectKeys();
    document.addEventListener('visibilitychange', this.onSeen);
  }

  readonly model: ConsoleModel;
  readonly search: SearchBar;

  override dispose(): void {
    if (!this.isDisposed) {
      clearTimeout(this.resting);
      document.removeEventListener('visibilitychange', this.onSeen);
      this.model.dispose();
      this.screen.dispose();
      super.dispose();
    }
  }

  /** The theme or the settings have changed. */
  restyle(settings: ViewSettings): void {
    this.settings = settings;
    Object.assign(this.screen.term.options, {
      theme: terminalTheme(),
      fontSize: settings.fontSize,
      fontFamily: settings.fontFamily,
      lineHeight: settings.lineHeight,
      screenReaderMode: settings.screenReader
    });
    this.fitScreen();
  }

  showSearch(): void {
    this.search.show();
    this.search.focus();
    this.fitScreen();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.onSeen();
    this.fitScreen();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.onSeen();
  }

  protected override onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    this.fitScreen();
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.screen.term.focus();
  }

  /** What no longer is looked at rests; what is looked at goes on where it was. */
  private onSeen = (): void => {
    clearTimeout(this.resting);
    if (this.isVisible && document.visibilityState === 'visible') {
      this.model.wake();
    } else {
      this.resting = setTimeout(() => this.model.rest(), this.settings.restAfter * 1000);
    }
  };

  private fitScreen(): void {
    const { clientWidth, clientHeight } = this.place.node;
    if (!this.isVisible || clientWidth === 0 || clientHeight === 0) {
      return;
    }
    if (!this.screen.term.element) {
      this.screen.term.open(this.place.node);
      this.screen.term.textarea?.setAttribute('aria-label', this.model.name);
    }
    this.screen.fit.fit();
    const { rows, cols } = this.screen.term;
    this.model.stream.resize(rows, cols);
    this.model.open();
  }

  private connectKeys(): void {
    const { term } = this.screen;
    const encoder = new TextEncoder();
    term.onData(text => this.model.type(encoder.encode(text)));
    term.onBinary(text => this.model.type(Uint8Array.from(text, one => one.charCodeAt(0))));
    term.attachCustomKeyEventHandler(event => this.onKey(event));
    // On the way in: what the terminal makes use of goes no further.
    for (const event of ['wheel', 'pointerup']) {
      const options = { capture: true, passive: true };
      this.place.node.addEventListener(event, () => this.afterMove(), options);
    }
  }

  /** Keys that are not the terminal's; false for those. */
  private onKey(event: KeyboardEvent): boolean {
    if (event.key === 'Escape' && event.shiftKey) {
      if (event.type === 'keydown') {
        this.node.closest('.jp-MainAreaWidget')?.querySelector<HTMLElement>('button')?.focus();
      }
      return false; // the way out of the terminal for who has no mouse
    }
    if (event.shiftKey && ['PageUp', 'PageDown', 'Home', 'End'].includes(event.key)) {
      const { term } = this.screen;
      if (event.type === 'keydown' && event.key === 'Home') {
        term.scrollToTop();
      } else if (event.type === 'keydown' && event.key === 'End') {
        term.scrollToBottom();
      }
      this.afterMove();
      return event.key.startsWith('Page'); // the terminal scrolls by pages itself
    }
    if (event.key.toLowerCase() === 'f' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
      if (event.type === 'keydown') {
        event.preventDefault();
        this.showSearch();
      }
      return false;
    }
    return true;
  }

  /** Look where the reader is, when the screen has moved. */
  private afterMove(): void {
    requestAnimationFrame(() => setTimeout(() => this.model.onMoved(), 30));
  }

  private readonly screen: Screen;
  private readonly place = new Widget();
  private resting: ReturnType<typeof setTimeout> | undefined;
}
