/**
 * Dragging, in both directions: what is at a connection onto the file browser, files of the file
 * browser onto a connection or a folder of one.
 */
import { MimeData } from '@lumino/coreutils';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { Drag } from '@lumino/dragdrop';

/** What is dragged from a connection: a `Dragged[]`. */
export const REMOTE_MIME = 'application/x-jupyter-bridge-remote';
/** What the file browser drags: the contents paths. */
const CONTENTS_MIME = 'application/x-jupyter-icontents';
/** So many pixels are a drag, fewer a click. */
const THRESHOLD = 5;
const TARGET_CLASS = 'jp-mod-bridgeTarget';

export interface Dragged {
  connection: string;
  permId: string;
  /** Only this file of it. */
  file?: string;
  name: string;
}

/** Begin a drag if the pointer moves on before the button is let go. */
export function dragSoon(down: { clientX: number; clientY: number }, dragged: Dragged): void {
  const onMove = (event: MouseEvent) => {
    const far = Math.max(
      Math.abs(event.clientX - down.clientX),
      Math.abs(event.clientY - down.clientY)
    );
    if (far < THRESHOLD) {
      return;
    }
    stop();
    const mimeData = new MimeData();
    mimeData.setData(REMOTE_MIME, [dragged]);
    mimeData.setData('text/plain', dragged.permId);
    const drag = new Drag({
      mimeData,
      dragImage: imageOf(dragged.name),
      proposedAction: 'copy',
      supportedActions: 'copy'
    });
    void drag.start(event.clientX, event.clientY).then(() => drag.dispose());
  };
  const stop = () => {
    document.removeEventListener('mousemove', onMove, true);
    document.removeEventListener('mouseup', stop, true);
  };
  document.addEventListener('mousemove', onMove, true);
  document.addEventListener('mouseup', stop, true);
}

function imageOf(name: string): HTMLElement {
  const image = document.createElement('div');
  image.className = 'jp-Bridge-dragImage';
  image.textContent = name;
  return image;
}

/**
 * Take what is dragged onto `node`: `targetOf` names the element that would take it (null: none),
 * `take` gets what was dropped there.
 */
function takeDrops(
  node: HTMLElement,
  mime: string,
  targetOf: (event: Drag.Event) => HTMLElement | null,
  take: (data: unknown, event: Drag.Event, target: HTMLElement) => void
): IDisposable {
  let marked: HTMLElement | null = null;
  const mark = (target: HTMLElement | null) => {
    if (target !== marked) {
      marked?.classList.remove(TARGET_CLASS);
      target?.classList.add(TARGET_CLASS);
      marked = target;
    }
  };
  const on = (raw: Event) => {
    const event = raw as Drag.Event;
    if (!event.mimeData.hasData(mime)) {
      return;
    }
    // It is ours to judge, also where the file browser would take it for its own.
    event.preventDefault();
    event.stopPropagation();
    const isLeaving = event.type === 'lm-dragleave' && event.target === node;
    const target = isLeaving ? null : targetOf(event);
    if (event.type === 'lm-drop') {
      mark(null);
      event.dropAction = target ? event.proposedAction : 'none';
      if (target) {
        take(event.mimeData.getData(mime), event, target);
      }
    } else {
      mark(event.type === 'lm-dragleave' ? null : target);
      event.dropAction = target ? event.proposedAction : 'none';
    }
  };
  const names = ['lm-dragenter', 'lm-dragover', 'lm-dragleave', 'lm-drop'];
  names.forEach(name => node.addEventListener(name, on, true));
  return new DisposableDelegate(() => {
    names.forEach(name => node.removeEventListener(name, on, true));
    mark(null);
  });
}

/** What is dragged from a connection is taken anywhere on the file browser. */
export function takeRemote(
  node: HTMLElement,
  take: (dragged: Dragged[], event: MouseEvent) => void
): IDisposable {
  return takeDrops(
    node,
    REMOTE_MIME,
    event =>
      (event.target as HTMLElement).closest<HTMLElement>(
        '.jp-DirListing-item[data-isdir="true"]'
      ) ?? node,
    (data, event) => take(data as Dragged[], event)
  );
}

/** Files of the file browser are taken by the rows of `node` for which `accepts` says so. */
export function takeFiles(
  node: HTMLElement,
  accepts: (at: number) => boolean,
  take: (paths: string[], at: number) => void
): IDisposable {
  const rowOf = (event: Drag.Event) => {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-at]');
    return row && accepts(Number(row.dataset.at)) ? row : null;
  };
  return takeDrops(node, CONTENTS_MIME, rowOf, (data, _, row) =>
    take(data as string[], Number(row.dataset.at))
  );
}
