/**
 * Drag and drop: data sets of a connection onto the file browser, and files of the file browser
 * onto a connection, a folder or an object.
 */
import { MimeData } from '@lumino/coreutils';
import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { Drag } from '@lumino/dragdrop';

/** The MIME type of items dragged from a connection: a `Dragged[]`. */
export const REMOTE_MIME = 'application/x-jupyter-bridge-remote';
/** The MIME type of the file browser: the contents paths. */
const CONTENTS_MIME = 'application/x-jupyter-icontents';
/** A drag starts after so many pixels; fewer are a click. */
const THRESHOLD = 5;
const TARGET_CLASS = 'jp-mod-bridgeTarget';

export interface Dragged {
  connection: string;
  permId: string;
  /** Only this file of the data set. */
  file?: string;
  name: string;
}

/** Start a drag if the pointer moves before the mouse button is released. */
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
 * Accept drops on `node`: `targetOf` returns the element that accepts the drop (null: none), and
 * `onDrop` gets the dropped data.
 */
function acceptDrops(
  node: HTMLElement,
  mime: string,
  targetOf: (event: Drag.Event) => HTMLElement | null,
  onDrop: (data: unknown, event: Drag.Event, target: HTMLElement) => void
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
    // Also where the file browser would handle the event itself.
    event.preventDefault();
    event.stopPropagation();
    const isLeaving = event.type === 'lm-dragleave' && event.target === node;
    const target = isLeaving ? null : targetOf(event);
    if (event.type === 'lm-drop') {
      mark(null);
      event.dropAction = target ? event.proposedAction : 'none';
      if (target) {
        onDrop(event.mimeData.getData(mime), event, target);
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

/** Accept data sets of a connection anywhere on the file browser. */
export function acceptDatasets(
  node: HTMLElement,
  onDrop: (dragged: Dragged[], event: MouseEvent) => void
): IDisposable {
  return acceptDrops(
    node,
    REMOTE_MIME,
    event =>
      (event.target as HTMLElement).closest<HTMLElement>(
        '.jp-DirListing-item[data-isdir="true"]'
      ) ?? node,
    (data, event) => onDrop(data as Dragged[], event)
  );
}

/** Accept files of the file browser on the rows of `node` for which `accepts` returns true. */
export function acceptFiles(
  node: HTMLElement,
  accepts: (at: number) => boolean,
  onDrop: (paths: string[], at: number) => void
): IDisposable {
  const rowOf = (event: Drag.Event) => {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-at]');
    return row && accepts(Number(row.dataset.at)) ? row : null;
  };
  return acceptDrops(node, CONTENTS_MIME, rowOf, (data, _, row) =>
    onDrop(data as string[], Number(row.dataset.at))
  );
}
