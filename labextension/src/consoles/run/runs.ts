/** The commands that were run from this page: what they said, how they ended. */
import { Model } from '../../ui/model';
import { Problem } from '../../api/problem';
import { Run, RunBody } from '../../api/types';
import { Consoles } from '../client';

/** What is kept of a run's output, characters; its end counts. All of it is in the console. */
const MOST_TEXT = 512 * 1024;
/** Runs that are remembered. */
const MOST_RUNS = 50;

/** One command and what became of it. */
export class PageRun extends Model {
  constructor(
    private client: Consoles,
    readonly request: RunBody
  ) {
    super();
  }

  readonly started = new Date().toISOString();
  /** What it said so far; the beginning is left out when it is long. */
  output = '';
  isCut = false;
  /** How it ended. */
  answer: Partial<Run> | null = null;

  get isRunning(): boolean {
    return this.answer === null && this.problem === null;
  }

  /** Run it, up to its end. */
  async run(): Promise<void> {
    await this.try(async () => {
      const events = this.client.run(this.request, this.abort.signal, id => (this.id = id));
      for await (const { event, data } of events) {
        if (event === 'output') {
          this.hear(data.text ?? '');
        } else if (event === 'done') {
          this.answer = data;
        } else {
          throw Problem.of(JSON.stringify(data));
        }
        this.emitChanged();
      }
      if (!this.answer) {
        throw new Problem(
          'broken',
          0,
          'Disconnected while the command ran; it may still be running.'
        );
      }
    });
  }

  /** Stop it: SIGINT, then TERM, then KILL. */
  async stop(): Promise<void> {
    if (this.id) {
      await this.client.stop(this.id).catch(() => undefined);
    }
  }

  private hear(text: string): void {
    this.output += text;
    if (this.output.length > 2 * MOST_TEXT) {
      this.output = this.output.slice(-MOST_TEXT);
      this.isCut = true;
    }
  }

  private id = '';
  private abort = new AbortController();
}

/** All of them, the newest first. */
export class PageRuns extends Model {
  constructor(private client: Consoles) {
    super();
  }

  runs: PageRun[] = [];

  start(request: RunBody): PageRun {
    const run = new PageRun(this.client, request);
    this.runs = [run, ...this.runs].slice(0, MOST_RUNS);
    this.emitChanged();
    void run.run();
    return run;
  }

  clear(): void {
    this.runs = this.runs.filter(run => run.isRunning);
    this.emitChanged();
  }
}
