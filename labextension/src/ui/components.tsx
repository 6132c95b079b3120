/** Small components that every section uses. */
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon, closeIcon } from '@jupyterlab/ui-components';
import { ReactNode, useEffect, useReducer } from 'react';
import { Problem } from '../api/problem';

/** A button with an icon; `label` says what it does. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  onClick: (button: HTMLElement) => void;
  disabled?: boolean;
  pressed?: boolean;
}): JSX.Element {
  return (
    <button
      type="button"
      className="jp-Bridge-iconButton"
      title={props.label}
      aria-label={props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      onClick={event => {
        event.stopPropagation();
        props.onClick(event.currentTarget);
      }}
      onDoubleClick={event => event.stopPropagation()}
    >
      <props.icon.react tag="span" elementSize="normal" />
    </button>
  );
}

/** A state as a coloured dot. Colour and shape differ by state; screen readers get the label. */
export function Dot(props: {
  tone: 'good' | 'busy' | 'idle' | 'bad' | 'off';
  label: string;
}): JSX.Element {
  return (
    <span
      className={`jp-Bridge-dot jp-mod-${props.tone}`}
      role="img"
      aria-label={props.label}
      title={props.label}
    />
  );
}

/** A Problem's message, with a button that dismisses it if `onClose` is given. */
export function ProblemLine(props: {
  problem: Problem | null;
  trans: TranslationBundle;
  onClose?: () => void;
}): JSX.Element | null {
  return props.problem === null ? null : (
    <div className="jp-Bridge-problem" role="alert">
      <span>{props.problem.message}</span>
      {props.onClose && (
        <IconButton icon={closeIcon} label={props.trans.__('Dismiss')} onClick={props.onClose} />
      )}
    </div>
  );
}

/** A row of two lines, title and detail. Its actions are shown on focus and hover. */
export function Row(props: {
  before: ReactNode;
  title: ReactNode;
  detail: ReactNode;
  after?: ReactNode;
  actions: ReactNode;
}): JSX.Element {
  return (
    <>
      <div className="jp-Bridge-before">{props.before}</div>
      <div className="jp-Bridge-text">
        <div className="jp-Bridge-title">{props.title}</div>
        <div className="jp-Bridge-detail">{props.detail}</div>
      </div>
      {props.after !== undefined && <div className="jp-Bridge-after">{props.after}</div>}
      <div className="jp-Bridge-actions">{props.actions}</div>
    </>
  );
}

/** The time since a moment in ISO 8601, in few letters; updated while it is shown. */
export function Age(props: { since: string; trans: TranslationBundle }): JSX.Element {
  const [, rerender] = useReducer((count: number) => count + 1, 0);
  const seconds = Math.max(0, (Date.now() - Date.parse(props.since)) / 1000);
  const period = seconds < 60 ? 1000 : 30_000;
  useEffect(() => {
    const timer = setInterval(rerender, period);
    return () => clearInterval(timer);
  }, [period]);
  return (
    <time dateTime={props.since} title={new Date(props.since).toLocaleString()}>
      {duration(seconds, props.trans)}
    </time>
  );
}

/** A duration in its largest unit, rounded down: `75` is "1 min". */
export function duration(seconds: number, trans: TranslationBundle): string {
  const units: [number, string][] = [
    [86_400, trans.__('d')],
    [3600, trans.__('h')],
    [60, trans.__('min')],
    [1, trans.__('s')]
  ];
  const [size, name] = units.find(([one]) => seconds >= one) ?? units[3];
  return `${Math.floor(seconds / size)} ${name}`;
}

/** `1536` is "1.5 KiB". */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (count >= 1024 && at < units.length - 1) {
    count /= 1024;
    at += 1;
  }
  return `${at && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[at]}`;
}
