/** The rows of the tree: a connection, an item of one, or a note where there is no item. */
import { TranslationBundle } from '@jupyterlab/translation';
import { fileIcon, folderIcon, LabIcon, listIcon } from '@jupyterlab/ui-components';
import { ReactNode } from 'react';
import { Connection, Item } from '../api/types';
import { bytes, Dot, Row } from '../ui/components';
import { datasetIcon } from '../ui/icons';
import { sentenceOf, toneOf } from './labels';
import { Entry } from './tree';
import { visible } from '../wire/visible';

/** Heights, pixels. */
export const CONNECTION_HEIGHT = 44;
export const ITEM_HEIGHT = 26;

const ICONS: Record<string, LabIcon> = {
  file: fileIcon,
  folder: folderIcon,
  dataset: datasetIcon
};

export function ConnectionRow(props: {
  conn: Connection;
  title: string;
  actions: ReactNode;
  trans: TranslationBundle;
}): JSX.Element {
  const { conn, trans } = props;
  const sentence = visible(sentenceOf(conn, trans));
  const mounted = conn.isMounted ? trans.__('mounted at %1', visible(conn.mountpoint)) : '';
  // A connection that works shows its address, any other why it does not work.
  const works = conn.state === 'connected' && !conn.reason;
  const detail = works ? [conn.url, mounted].filter(Boolean).join(' · ') : sentence;
  return (
    <Row
      before={<Dot tone={toneOf(conn)} label={sentence} />}
      title={
        <span title={`${conn.url}\n${sentence}`}>
          <bdi>{conn.name}</bdi>
          <span className="jp-Bridge-kind">{props.title}</span>
          {conn.username && <span className="jp-Bridge-kind">{visible(conn.username)}</span>}
        </span>
      }
      detail={
        <>
          {conn.progress && conn.state === 'connecting' && (
            <span
              className="jp-Bridge-smallProgress"
              role="progressbar"
              aria-label={sentence}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={conn.progress.percent}
            >
              <span style={{ inlineSize: `${conn.progress.percent}%` }} />
            </span>
          )}
          <span title={works ? detail : sentence}>{detail}</span>
        </>
      }
      actions={props.actions}
    />
  );
}

export function ItemRow(props: { item: Item; actions: ReactNode }): JSX.Element {
  const { item } = props;
  const icon = ICONS[item.kind] ?? listIcon;
  const type = typeof item.info?.type === 'string' ? item.info.type : '';
  const when = item.modified ?? (typeof item.info?.since === 'string' ? item.info.since : '');
  return (
    <>
      <icon.react tag="span" elementSize="normal" title={item.kind} className="jp-Bridge-before" />
      <div
        className="jp-Bridge-text jp-Bridge-title"
        title={[item.name, item.permId, type, when]
          .filter(part => !!part)
          .map(part => visible(part!))
          .join('\n')}
      >
        <bdi>{visible(item.name)}</bdi>
        {type && <span className="jp-Bridge-kind">{visible(type)}</span>}
      </div>
      <div className="jp-Bridge-after">
        {typeof item.size === 'number' && <bdi>{bytes(item.size)}</bdi>}
        {when && <time dateTime={when}>{day(when)}</time>}
      </div>
      <div className="jp-Bridge-actions">{props.actions}</div>
    </>
  );
}

export function NoteRow({ entry }: { entry: Entry }): JSX.Element {
  return (
    <div
      className={`jp-Bridge-text jp-Bridge-title ${entry.problem ? 'jp-Bridge-note' : 'jp-Bridge-detail'}`}
      role={entry.problem ? 'alert' : undefined}
      title={visible(entry.note ?? '')}
    >
      {visible(entry.note ?? '')}
    </div>
  );
}

/** The date of a time, in the user's locale. */
function day(when: string): string {
  const time = new Date(when.includes('T') ? when : when.replace(' ', 'T'));
  return isNaN(time.getTime()) ? visible(when) : time.toLocaleDateString();
}
