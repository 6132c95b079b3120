/** The live view of a kernel's messages, in the main area. */
import { Clipboard, MainAreaWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  clearIcon,
  copyIcon,
  inspectorIcon,
  pauseIcon,
  ReactWidget,
  runIcon
} from '@jupyterlab/ui-components';
import { Message as LuminoMessage } from '@lumino/messaging';
import { bytes, IconButton, ProblemLine } from '../ui/components';
import { List } from '../ui/list';
import { useModel } from '../ui/model';
import { Filter } from '../ui/section';
import { Message } from '../wire/kernel';
import { Kernels } from './client';
import { Entry, MessagesModel, summaryOf } from './messages';
import { asText } from '../wire/json';
import { visible } from '../wire/visible';

const CHANNELS = ['iopub', 'shell', 'stdin', 'control'];

export class MessageView extends ReactWidget {
  constructor(
    readonly model: MessagesModel,
    private trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-BridgeMessages');
    this.node.tabIndex = -1;
  }

  override dispose(): void {
    this.model.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: LuminoMessage): void {
    super.onAfterShow(message);
    this.model.setVisible(true);
  }

  protected override onAfterHide(message: LuminoMessage): void {
    super.onAfterHide(message);
    this.model.setVisible(false);
  }

  protected override render(): JSX.Element {
    return <Messages model={this.model} trans={this.trans} />;
  }
}

/** A new widget that shows a kernel's messages; the caller adds it to the shell. */
export function openMessages(
  client: Kernels,
  trans: TranslationBundle,
  id: string,
  name: string
): MainAreaWidget<MessageView> {
  const content = new MessageView(new MessagesModel(client, id), trans);
  const widget = new MainAreaWidget({ content });
  widget.id = `jupyter-bridge-messages-${id}`;
  widget.title.label = trans.__('Messages of %1', visible(name));
  widget.title.caption = visible(id);
  widget.title.icon = inspectorIcon;
  widget.title.closable = true;
  return widget;
}

function Messages(props: { model: MessagesModel; trans: TranslationBundle }): JSX.Element {
  const { trans } = props;
  const model = useModel(props.model);
  const shown = model.shown;
  return (
    <>
      <div className="jp-Bridge-bar">
        <IconButton
          icon={model.isPaused ? runIcon : pauseIcon}
          label={model.isPaused ? trans.__('Resume') : trans.__('Pause')}
          pressed={model.isPaused}
          onClick={() => model.pause(!model.isPaused)}
        />
        <IconButton icon={clearIcon} label={trans.__('Clear')} onClick={() => model.clear()} />
        <Toggles
          label={trans.__('Channels')}
          names={CHANNELS}
          on={model.channels}
          toggle={name => model.toggle('channels', name)}
        />
        <Toggles
          label={trans.__('Types')}
          names={model.knownTypes}
          on={model.types}
          toggle={name => model.toggle('types', name)}
        />
        <Filter label={trans.__('Filter by content')} model={model} />
      </div>
      <ProblemLine problem={model.problem} trans={trans} onClose={() => model.dismissProblem()} />
      <List
        label={trans.__('Messages')}
        items={shown}
        keyOf={entry => String(entry.number)}
        height={24}
        follow={model.selected === null}
        empty={trans.__('No messages, or none that match the filter.')}
        onOpen={entry => model.select(entry)}
        onClick={entry => model.select(entry)}
        render={entry => <Line entry={entry} isSelected={entry === model.selected} />}
      />
      {model.selected && <Detail model={model} entry={model.selected} trans={trans} />}
      <div className="jp-BridgeConsole-line" role="status">
        <span>{statusText(model, shown.length, trans)}</span>
      </div>
    </>
  );
}

function statusText(model: MessagesModel, shown: number, trans: TranslationBundle): string {
  const sentences = [
    model.isConnected ? trans.__('Connected.') : trans.__('Disconnected. Reconnecting…'),
    trans.__('%1 of %2 messages shown.', shown, model.entries.length)
  ];
  if (model.isPaused) {
    sentences.push(trans.__('Paused; %1 messages were not kept.', model.missed));
  }
  if (model.discarded) {
    sentences.push(trans.__('%1 older messages were discarded.', model.discarded));
  }
  return sentences.join(' ');
}

function Toggles(props: {
  label: string;
  names: string[];
  on: Set<string>;
  toggle: (name: string) => void;
}): JSX.Element {
  return (
    <span className="jp-BridgeMessages-toggles" role="group" aria-label={props.label}>
      {props.names.map(name => (
        <button
          key={name}
          type="button"
          className="jp-BridgeMessages-toggle"
          aria-pressed={props.on.has(name)}
          onClick={() => props.toggle(name)}
        >
          {name}
        </button>
      ))}
    </span>
  );
}

function Line({ entry, isSelected }: { entry: Entry; isSelected: boolean }): JSX.Element {
  const { message } = entry;
  const date = new Date(asText(message.header.date));
  return (
    <div className={`jp-BridgeMessages-line${isSelected ? ' jp-mod-selected' : ''}`}>
      <span className="jp-BridgeMessages-time">
        {isNaN(date.getTime()) ? '' : date.toLocaleTimeString()}
      </span>
      <span className="jp-BridgeMessages-channel">{message.channel}</span>
      <span className="jp-BridgeMessages-type">{message.msg_type}</span>
      <code>{summaryOf(message).slice(0, 500)}</code>
    </div>
  );
}

function Detail(props: {
  model: MessagesModel;
  entry: Entry;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, trans } = props;
  const json = asJson(props.entry.message);
  return (
    <div className="jp-BridgeMessages-detail">
      <div className="jp-Bridge-bar">
        <strong>{visible(props.entry.message.msg_type)}</strong>
        <span className="jp-Bridge-detail">{bytes(props.entry.message.size)}</span>
        <IconButton
          icon={copyIcon}
          label={trans.__('Copy as JSON')}
          onClick={() => Clipboard.copyToSystem(json)}
        />
        <button type="button" className="jp-Bridge-link" onClick={() => model.select(null)}>
          {trans.__('Close')}
        </button>
      </div>
      <pre tabIndex={0}>{json}</pre>
    </div>
  );
}

/** The message as JSON, with the sizes of its binary buffers in place of their bytes. */
export function asJson(message: Message): string {
  const { channel, header, parent_header, metadata, content, buffers } = message;
  return JSON.stringify({ channel, header, parent_header, metadata, content, buffers }, null, 2);
}
