/** The status line under a console: its state, its other viewers, and what to do. */
import { TranslationBundle } from '@jupyterlab/translation';
import { FormEvent, useState } from 'react';
import { ProblemLine } from '../../ui/components';
import { useModel } from '../../ui/model';
import { Viewer } from '../../wire/console';
import { ConsoleModel } from './model';
import { visible } from '../../wire/visible';

export function StatusLine(props: { model: ConsoleModel; trans: TranslationBundle }): JSX.Element {
  const { trans } = props;
  const model = useModel(props.model);
  const others = model.viewers.filter(viewer => !viewer.you);
  return (
    <>
      <ProblemLine problem={model.problem} trans={trans} onClose={() => model.dismissProblem()} />
      {model.kind === 'kernel' && model.exit === null && <LineInput model={model} trans={trans} />}
      <div className="jp-BridgeConsole-line" role="status">
        <span>{stateText(model, trans)}</span>
        {model.past && (
          <button type="button" className="jp-Bridge-link" onClick={() => model.goLive()}>
            {trans.__('Jump to the end')}
          </button>
        )}
        {model.isStolen && (
          <button
            type="button"
            className="jp-Bridge-link"
            onClick={() => model.changeMode('steal')}
          >
            {trans.__('Take over')}
          </button>
        )}
        <span className="jp-BridgeConsole-others">
          {others.length > 0 && viewersText(others, trans)}
        </span>
      </div>
    </>
  );
}

/** The state of the console, as a sentence. */
export function stateText(model: ConsoleModel, trans: TranslationBundle): string {
  if (model.past) {
    return trans.__('You are reading earlier output.');
  }
  if (model.exit) {
    const { code, signal } = model.exit;
    return signal
      ? trans.__('Ended by %1.', signal)
      : code === null
        ? trans.__('Ended.')
        : trans.__('Ended with exit code %1.', code);
  }
  switch (model.state) {
    case 'disconnected':
      return trans.__('Disconnected. Reconnecting; no output is lost.');
    case 'refused':
      return trans.__('You may not open this console.');
    case 'connecting':
      return trans.__('Connecting…');
    case 'paused':
      return trans.__('Paused: output arrives faster than it can be shown.');
    default:
      break;
  }
  if (model.isStolen) {
    const thief = model.viewers.find(viewer => viewer.mode === 'steal');
    return thief
      ? trans.__('%1 took over this console; you are watching.', visible(thief.user))
      : trans.__('Somebody took over this console; you are watching.');
  }
  return model.mode === 'watch' ? trans.__('Connected; watching only') : trans.__('Connected');
}

function viewersText(others: Viewer[], trans: TranslationBundle): string {
  const names = others.map(({ user, mode }) =>
    mode === 'watch' ? trans.__('%1 (watching)', user) : trans.__('%1 (typing)', user)
  );
  return trans.__('Also here: %1', visible(names.join(', ')));
}

/** Input for a kernel: code to execute, or the reply to its input request. */
function LineInput({ model, trans }: { model: ConsoleModel; trans: TranslationBundle }) {
  const [text, setText] = useState('');
  const send = (event: FormEvent) => {
    event.preventDefault();
    model.type(new TextEncoder().encode(`${text}\n`));
    setText('');
  };
  return (
    <form className="jp-BridgeConsole-input" onSubmit={send}>
      <input
        className="jp-Bridge-filter"
        aria-label={trans.__('Code for the kernel')}
        placeholder={trans.__('Code for the kernel; Enter runs it')}
        value={text}
        disabled={model.mode === 'watch'}
        onChange={event => setText(event.target.value)}
        onKeyDown={event => event.stopPropagation()}
      />
    </form>
  );
}
