/** A form that runs shell commands, and the runs with their status, time and output. */
import { Clipboard } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon, ReactWidget, stopIcon } from '@jupyterlab/ui-components';
import { FormEvent, useEffect, useRef, useState } from 'react';
import { Age, Dot, duration, IconButton, ProblemLine } from '../../ui/components';
import { useModel } from '../../ui/model';
import { quoted } from '../../ui/shell';
import { PageRun, PageRuns } from './runs';
import { asText } from '../../wire/json';

export class RunView extends ReactWidget {
  constructor(
    private runs: PageRuns,
    private consoles: () => Promise<string[]>,
    private trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-BridgeRuns');
    this.node.tabIndex = -1;
  }

  /** Select a console in the form. */
  propose(console: string): void {
    this.proposed = console;
    this.update();
  }

  protected override render(): JSX.Element {
    return (
      <Runs
        key={this.proposed}
        proposed={this.proposed}
        runs={this.runs}
        consoles={this.consoles}
        trans={this.trans}
      />
    );
  }

  private proposed = '';
}

function Runs(props: {
  proposed: string;
  runs: PageRuns;
  consoles: () => Promise<string[]>;
  trans: TranslationBundle;
}): JSX.Element {
  const { trans, proposed, consoles } = props;
  const { runs } = useModel(props.runs);
  const [names, setNames] = useState<string[]>(proposed ? [proposed] : []);
  const command = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    consoles().then(
      found => setNames([...new Set([...(proposed ? [proposed] : []), ...found])]),
      () => undefined
    );
    command.current?.focus();
  }, [consoles, proposed]);
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const field = (name: string) => asText(form.get(name)).trim() || undefined;
    if (field('command')) {
      const [console, cwd] = [field('console'), field('cwd')];
      props.runs.start({ command: field('command')!, console, cwd });
    }
  };
  return (
    <>
      <form className="jp-BridgeRuns-form" onSubmit={onSubmit}>
        <label>
          <span>{trans.__('Command')}</span>
          <textarea
            ref={command}
            name="command"
            rows={2}
            required
            spellCheck={false}
            className="jp-Bridge-filter"
            onKeyDown={event => {
              event.stopPropagation();
              if (event.key === 'Enter' && !event.shiftKey) {
                event.preventDefault();
                event.currentTarget.form?.requestSubmit();
              }
            }}
          />
        </label>
        <label>
          <span>{trans.__('Where')}</span>
          <select name="console" className="jp-Bridge-filter" defaultValue={proposed}>
            <option value="">{trans.__('In a new login shell, closed afterwards')}</option>
            <option value="new">{trans.__('In a new terminal that stays open')}</option>
            {names.map(name => (
              <option key={name} value={name}>
                {trans.__('In console %1', name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{trans.__('Folder')}</span>
          <input
            name="cwd"
            className="jp-Bridge-filter"
            placeholder={trans.__('the shell’s current folder')}
            onKeyDown={event => event.stopPropagation()}
          />
        </label>
        <div>
          <button type="submit" className="jp-Dialog-button jp-mod-accept jp-mod-styled">
            {trans.__('Run')}
          </button>
          <button
            type="button"
            className="jp-Dialog-button jp-mod-reject jp-mod-styled"
            onClick={() => props.runs.clear()}
          >
            {trans.__('Clear finished runs')}
          </button>
        </div>
      </form>
      <ol className="jp-BridgeRuns-list" aria-label={trans.__('Runs')}>
        {runs.map(run => (
          <OneRun key={run.started + run.request.command} run={run} trans={trans} />
        ))}
      </ol>
    </>
  );
}

function OneRun(props: { run: PageRun; trans: TranslationBundle }): JSX.Element {
  const { trans } = props;
  const run = useModel(props.run);
  const { command, console } = run.request;
  return (
    <li className="jp-BridgeRuns-run">
      <div className="jp-BridgeRuns-head">
        <Dot tone={tone(run)} label={outcome(run, trans)} />
        <code>{command}</code>
        <span className="jp-Bridge-detail">
          {outcome(run, trans)}
          {' · '}
          {run.answer ? (
            duration(run.answer.seconds ?? 0, trans)
          ) : (
            <Age since={run.started} trans={trans} />
          )}
          {console && ` · ${console}`}
        </span>
        {run.isRunning && (
          <IconButton icon={stopIcon} label={trans.__('Stop')} onClick={() => void run.stop()} />
        )}
        <IconButton
          icon={copyIcon}
          label={trans.__('Copy as a shell command')}
          onClick={() => Clipboard.copyToSystem(asCommand(command ?? '', console ?? undefined))}
        />
      </div>
      <ProblemLine problem={run.problem} trans={trans} />
      {run.output && (
        <pre className="jp-BridgeRuns-output" tabIndex={0}>
          {run.isCut && `${trans.__('[the beginning is not shown]')}\n`}
          {run.output}
        </pre>
      )}
    </li>
  );
}

function tone(run: PageRun): 'good' | 'busy' | 'bad' | 'off' {
  return run.isRunning ? 'busy' : run.answer?.exit_code === 0 ? 'good' : 'bad';
}

function outcome(run: PageRun, trans: TranslationBundle): string {
  if (run.isRunning) {
    return trans.__('running');
  }
  const { status, exit_code, signal } = run.answer ?? {};
  switch (status) {
    case 'done':
      return signal ? trans.__('ended by %1', signal) : trans.__('exit status %1', exit_code);
    case 'timeout':
      return trans.__('timed out');
    case 'cancelled':
      return trans.__('stopped');
    case 'session-closed':
      return trans.__('the shell ended, status %1', exit_code);
    default:
      return trans.__('failed');
  }
}

/** The shell command that does the same. */
export function asCommand(command: string, console?: string): string {
  return `jupyter bridge run ${console ? `-c ${quoted(console)} ` : ''}-- ${quoted(command)}`;
}
