/** The shell commands that were run from this page, with their output and status. */
import { Model } from '../../ui/model';
import { Problem } from '../../api/problem';
import { Run, RunBody } from '../../api/types';
import { Consoles } from '../client';

/** The end of a run's output that the page shows, characters. The console has all of it. */
const MAX_TEXT = 512 * 1024;
/** The latest runs that the page shows. */
const MAX_RUNS = 50;

/** One command, its output so far, and its result. */
export class PageRun extends Model {
  constructor(
    private client: Consoles,
    readonly request: RunBody
  ) {
    super();
  }

  readonly started = new Date().toISOString();
  /** The output so far; without its beginning if it is long, see `isCut`. */
  output = '';
  isCut = false;
  /** The result; null while it runs. */
  answer: Partial<Run> | null = null;

  get isRunning(): boolean {
    return this.answer === null && this.problem === null;
  }

  /** Run the command; resolves when it has ended. */
  async run(): Promise<void> {
    await this.try(async () => {
      const events = this.client.run(this.request, this.abort.signal, id => (this.id = id));
      for await (const { event, data } of events) {
        if (event === 'output') {
          this.append(data.text ?? '');
        } else if (event === 'done') {
          this.answer = data;
        } else if (event === 'gap') {
          this.isCut = true;
        } else if (event === 'problem') {
          throw Problem.of(JSON.stringify(data));
        }
        this.emitChanged();
      }
      if (!this.answer) {
        throw new Problem(
          'unreachable',
          0,
          'Disconnected while the command ran; it may still be running.'
        );
      }
    });
  }

  /** Stop it: SIGINT, then SIGTERM, then SIGKILL. */
  async stop(): Promise<void> {
    if (this.id) {
      await this.client.stop(this.id).catch(() => undefined);
    }
  }

  private append(text: string): void {
    this.output += text;
    if (this.output.length > 2 * MAX_TEXT) {
      this.output = this.output.slice(-MAX_TEXT);
      this.isCut = true;
    }
  }

  private id = '';
  private abort = new AbortController();
}

/** All runs of this page, the newest first. */
export class PageRuns extends Model {
  constructor(private client: Consoles) {
    super();
  }

  runs: PageRun[] = [];

  start(request: RunBody): PageRun {
    const run = new PageRun(this.client, request);
    this.runs = [run, ...this.runs].slice(0, MAX_RUNS);
    this.emitChanged();
    void run.run();
    return run;
  }

  clear(): void {
    this.runs = this.runs.filter(run => run.isRunning);
    this.emitChanged();
  }
}
