/** The tray of transfers, with their progress and actions. */
import { TranslationBundle } from '@jupyterlab/translation';
import {
  closeIcon,
  clearIcon,
  downloadIcon,
  fileUploadIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { Transfer } from '../../api/types';
import { pauseIcon } from '../../ui/icons';
import { bytes, duration, IconButton, ProblemLine } from '../../ui/components';
import { useModel } from '../../ui/model';
import { isActive, TransfersModel } from './transfers';
import { visible } from '../../wire/visible';

export function Tray(props: {
  model: TransfersModel;
  trans: TranslationBundle;
}): JSX.Element | null {
  const model = useModel(props.model);
  const { trans } = props;
  const { transfers } = model;
  if (transfers.length === 0 && !model.problem) {
    return null;
  }
  const canClear = transfers.some(one => !isActive(one) && one.state !== 'paused');
  return (
    <section className="jp-Bridge-tray" aria-label={trans.__('Transfers')}>
      <header className="jp-Bridge-trayTitle">
        <span>
          {model.active > 0
            ? trans._n('%1 transfer in progress', '%1 transfers in progress', model.active)
            : trans.__('Transfers')}
        </span>
        <IconButton
          icon={clearIcon}
          label={trans.__('Clear finished transfers')}
          disabled={!canClear}
          onClick={() => model.clear()}
        />
      </header>
      <ProblemLine problem={model.problem} trans={trans} onClose={() => model.dismissProblem()} />
      <ul className="jp-Bridge-transfers">
        {transfers.map(one => (
          <TransferRow key={one.transfer} one={one} model={model} trans={trans} />
        ))}
      </ul>
    </section>
  );
}

function TransferRow({
  one,
  model,
  trans
}: {
  one: Transfer;
  model: TransfersModel;
  trans: TranslationBundle;
}): JSX.Element {
  const name = visible(nameOf(one));
  const share = one.total > 0 ? one.done / one.total : one.state === 'done' ? 1 : 0;
  const percent = Math.floor(share * 100);
  const icon = one.direction === 'download' ? downloadIcon : fileUploadIcon;
  const isOver = one.state === 'done' || one.state === 'cancelled';
  return (
    <li className={`jp-Bridge-transfer jp-mod-${one.state}`} data-transfer={one.transfer}>
      <icon.react
        tag="span"
        elementSize="normal"
        title={one.direction === 'download' ? trans.__('Download') : trans.__('Upload')}
      />
      <div className="jp-Bridge-text">
        <div className="jp-Bridge-title" title={visible(`${one.connection}: ${one.path}`)}>
          <bdi>{name}</bdi>
        </div>
        {!isOver && (
          <div
            className="jp-Bridge-progress"
            role="progressbar"
            aria-label={name}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={percent}
            aria-valuetext={stateText(one, percent, trans)}
          >
            <div style={{ inlineSize: `${share * 100}%` }} />
          </div>
        )}
        <div
          className="jp-Bridge-detail"
          title={visible(one.problem ? String(one.problem.message) : (one.file ?? '')) || undefined}
        >
          {visible(stateText(one, percent, trans))}
        </div>
      </div>
      <div className="jp-Bridge-transferActions">
        {isActive(one) && (
          <IconButton
            icon={pauseIcon}
            label={trans.__('Pause %1', name)}
            onClick={() => void model.try(() => model.pause(one))}
          />
        )}
        {(one.state === 'paused' || one.state === 'failed') && (
          <IconButton
            icon={runIcon}
            label={trans.__('Resume %1', name)}
            onClick={() => void model.try(() => model.resume(one))}
          />
        )}
        {!isOver && (
          <IconButton
            icon={one.state === 'failed' ? closeIcon : stopIcon}
            label={trans.__('Cancel %1', name)}
            onClick={() => void model.try(() => model.cancel(one))}
          />
        )}
      </div>
    </li>
  );
}

/** The name of the data set, or of the file. */
export function nameOf({ permId, path, direction }: Transfer): string {
  const whole = direction === 'upload' ? path : permId || path;
  return whole.replace(/\/+$/, '').split('/').pop() || whole;
}

/** The state in words. */
export function stateText(one: Transfer, percent: number, trans: TranslationBundle): string {
  const how = trans.__('%1 of %2', bytes(one.done), bytes(one.total));
  const message = one.problem && String(one.problem.message);
  switch (one.state) {
    case 'queued':
      return trans.__('Queued');
    case 'running': {
      if (one.total === 0) {
        return trans.__('Preparing…');
      }
      const parts = [`${percent} %`, how];
      if (one.rate > 0) {
        parts.push(trans.__('%1/s', bytes(one.rate)));
      }
      if (one.eta !== null) {
        parts.push(trans.__('%1 left', duration(one.eta, trans)));
      }
      return [...parts, ...(one.file ? [one.file.split('/').pop()!] : [])].join(' · ');
    }
    case 'paused':
      return [trans.__('Paused at %1 %', percent), how, ...(message ? [message] : [])].join(' · ');
    case 'failed':
      return trans.__('Failed: %1', message ?? how);
    case 'cancelled':
      return trans.__('Cancelled');
    default:
      return trans.__('Done · %1', bytes(one.total));
  }
}
