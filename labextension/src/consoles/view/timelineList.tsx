/** The commands of a console beside its screen; a click shows the output of one. */
import { TranslationBundle } from '@jupyterlab/translation';
import { Command } from '../../api/types';
import { ProblemLine } from '../../ui/components';
import { useModel } from '../../ui/model';
import { visible } from '../../wire/visible';
import { outcomeOf, Timeline } from './timeline';

export function TimelineList(props: {
  timeline: Timeline;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { trans } = props;
  const timeline = useModel(props.timeline);
  if (!timeline.isShown) {
    return null;
  }
  const { commands } = timeline;
  return (
    <nav className="jp-BridgeConsole-commands" aria-label={trans.__('Commands')}>
      <ProblemLine problem={timeline.problem} trans={trans} />
      {timeline.isTruncated && (
        <button type="button" className="jp-Bridge-link" onClick={() => void timeline.readOlder()}>
          {trans.__('Older commands')}
        </button>
      )}
      {commands.length === 0 && <p>{trans.__('No command is known.')}</p>}
      <ol>
        {commands.map(command => (
          <li key={command.offset}>
            <button
              type="button"
              title={titleOf(command, trans)}
              onClick={() => void timeline.show(command)}
            >
              <code>{visible(command.command ?? trans.__('(a command)'))}</code>
              <span className="jp-BridgeConsole-outcome">{outcomeOf(command, trans)}</span>
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function titleOf(command: Command, trans: TranslationBundle): string {
  const time = command.time && new Date(command.time).toLocaleString();
  const folder = command.cwd && trans.__('in %1', visible(command.cwd));
  return [time, folder].filter(Boolean).join(' ');
}
