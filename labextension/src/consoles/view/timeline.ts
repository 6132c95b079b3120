/** The commands that were run in a console's shell, read again after output came. */
import { TranslationBundle } from '@jupyterlab/translation';
import { Command } from '../../api/types';
import { Model } from '../../ui/model';
import { Throttle } from '../../ui/throttle';
import { Consoles } from '../client';

/** How many commands are read at once. */
export const PAGE = 200;
/** The server reads the whole journal: at most once in so many milliseconds. */
const PAUSE = 2000;

/** What the list needs of the console's view. */
export interface Listed {
  name: string;
  goTo(offset: number): Promise<unknown>;
}

export class Timeline extends Model {
  constructor(
    private console: Listed,
    private client: Pick<Consoles, 'commands'>
  ) {
    super();
    this.disposables.add(this.throttle);
  }

  /** The newest last. */
  commands: Command[] = [];
  /** Whether there are older ones. */
  isTruncated = false;
  isShown = false;

  toggle(): void {
    this.isShown = !this.isShown;
    this.emitChanged();
    this.onOutput();
  }

  /** The console said something, or ended. */
  onOutput(): void {
    if (this.isShown) {
      this.throttle.request();
    }
  }

  /** Show the output of a command. */
  async show(command: Command): Promise<void> {
    await this.console.goTo(command.offset);
  }

  /** Read the commands before the first one. */
  async readOlder(): Promise<void> {
    const first = this.commands.at(0);
    await this.try(async () => {
      const found = await this.client.commands(this.console.name, PAGE, first?.offset);
      this.commands = [...found.commands, ...this.commands];
      this.isTruncated = found.truncated;
    });
    this.emitChanged();
  }

  private async read(): Promise<void> {
    await this.try(async () => {
      const found = await this.client.commands(this.console.name, PAGE);
      if (found.epoch !== this.epoch) {
        this.commands = [];
        this.epoch = found.epoch;
      }
      const start = found.commands.at(0)?.offset ?? 0;
      const older = found.truncated ? this.commands.filter(one => one.offset < start) : [];
      if (older.length === 0) {
        this.isTruncated = found.truncated;
      }
      this.commands = [...older, ...found.commands];
    });
    this.emitChanged();
  }

  private epoch = '';
  private readonly throttle = new Throttle(() => this.read(), PAUSE);
}

/** How it ended, and how long it took: `✓ 0.2 s`, `exit 3, 1 s`, `runs`. */
export function outcomeOf(command: Command, trans: TranslationBundle): string {
  if (command.end_offset === null) {
    return trans.__('runs');
  }
  const seconds = command.seconds === null ? '' : trans.__('%1 s', command.seconds);
  if (command.exit_code === null) {
    return seconds;
  }
  return command.exit_code === 0
    ? `\u2713 ${seconds}`.trim()
    : [trans.__('exit %1', command.exit_code), seconds].filter(Boolean).join(', ');
}
