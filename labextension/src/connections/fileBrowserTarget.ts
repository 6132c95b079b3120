/** The file browser's folder and selection: where downloads go, and what is uploaded. */
import { FileBrowser } from '@jupyterlab/filebrowser';
import { Contents } from '@jupyterlab/services';

export class FileBrowserTarget {
  constructor(
    readonly browser: FileBrowser | null,
    private contents: Contents.IManager
  ) {}

  /** The folder that the file browser shows, as a path below the server's root; "" is the root. */
  get folder(): string {
    return this.browser ? this.local(this.browser.model.path) : '';
  }

  /** The paths of the selected files and folders. */
  get selected(): string[] {
    return this.browser ? [...this.browser.selectedItems()].map(one => this.local(one.path)) : [];
  }

  /** The folder under the pointer, or else the folder that is shown. */
  folderAt(event: MouseEvent): string {
    const under = this.browser?.modelForClick(event);
    return under?.type === 'directory' ? this.local(under.path) : this.folder;
  }

  /** A path without the name of a drive, as the server expects it. */
  local(path: string): string {
    return this.contents.localPath(path);
  }

  /** Show new files. */
  refresh(): void {
    void this.browser?.model.refresh();
  }
}
