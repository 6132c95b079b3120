/** The dialog that asks which kernel to spawn. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { KernelSpec } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { SpawnBody } from '../api/types';

/** The user's answer. */
export interface Choice extends SpawnBody {
  kernelspec: string;
}

/** Ask for a kernelspec, a name and a folder; null if the user cancels. */
export async function askForKernel(
  specs: KernelSpec.ISpecModels | null,
  trans: TranslationBundle
): Promise<Choice | null> {
  const body = new SpawnForm(specs, trans);
  const { button, value } = await showDialog({
    title: trans.__('Spawn a kernel'),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Spawn') })],
    focusNodeSelector: 'select'
  });
  return button.accept ? value : null;
}

class SpawnForm extends Widget implements Dialog.IBodyWidget<Choice> {
  constructor(specs: KernelSpec.ISpecModels | null, trans: TranslationBundle) {
    super();
    this.addClass('jp-BridgeSpawn');
    this.select = document.createElement('select');
    this.select.className = 'jp-mod-styled';
    for (const [name, spec] of Object.entries(specs?.kernelspecs ?? {})) {
      const label = spec && spec.display_name !== name ? `${spec.display_name} (${name})` : name;
      this.select.add(new Option(label, name, false, name === specs?.default));
    }
    this.nameInput = this.add(trans.__('Kernelspec'), this.select, trans.__('Name (optional)'));
    this.pathInput = this.add(null, null, trans.__('Folder, below the server’s root (optional)'));
  }

  getValue(): Choice {
    return {
      kernelspec: this.select.value,
      name: this.nameInput.value.trim() || undefined,
      path: this.pathInput.value.trim() || undefined
    };
  }

  /** Append a labelled `field`, if it is given, and a labelled text input. */
  private add(label: string | null, field: HTMLElement | null, text: string): HTMLInputElement {
    if (label && field) {
      this.node.append(labelled(label, field));
    }
    const input = document.createElement('input');
    input.className = 'jp-mod-styled';
    this.node.append(labelled(text, input));
    return input;
  }

  private readonly select: HTMLSelectElement;
  private readonly nameInput: HTMLInputElement;
  private readonly pathInput: HTMLInputElement;
}

function labelled(text: string, field: HTMLElement): HTMLElement {
  const label = document.createElement('label');
  const words = document.createElement('span');
  words.textContent = text;
  label.append(words, field);
  return label;
}
