/** The place of this side: the folder that the file browser shows, and what is selected in it. */
import { FileBrowser } from '@jupyterlab/filebrowser';
import { Contents } from '@jupyterlab/services';

export class FileBrowserTarget {
  constructor(
    readonly browser: FileBrowser | null,
    private contents: Contents.IManager
  ) {}

  /** The folder that is shown, as a path below the server's root; "" is the root. */
  get folder(): string {
    return this.browser ? this.local(this.browser.model.path) : '';
  }

  /** The paths of what is selected. */
  get selected(): string[] {
    return this.browser ? [...this.browser.selectedItems()].map(one => this.local(one.path)) : [];
  }

  /** The folder under the pointer, or else the one that is shown. */
  folderAt(event: MouseEvent): string {
    const under = this.browser?.modelForClick(event);
    return under?.type === 'directory' ? this.local(under.path) : this.folder;
  }

  /** Without the name of a drive: the server reads and writes its own files. */
  local(path: string): string {
    return this.contents.localPath(path);
  }

  /** Something has come: show it. */
  refresh(): void {
    void this.browser?.model.refresh();
  }
}
