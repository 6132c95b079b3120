/** A form in a dialog, which stays open until the server has accepted the values. */
import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Problem } from '../../api/problem';
import { Fields, valuesIn, wipe } from './fields';
import { bodyOf, Field, FieldError, Values } from './form';

export interface FormOptions<T> {
  title: string;
  okLabel: string;
  /** The fields, which may depend on the choices so far. */
  fields: (chosen: Values) => readonly Field[];
  /** Shown above the fields. */
  problem?: Problem | null;
  /** Shown below the fields. */
  note?: string;
  /** Send the values; a Problem is shown in the dialog, at its field if it names one. */
  submit: (body: Record<string, unknown>) => Promise<T>;
}

let count = 0;

/** Open the dialog; returns the result of `submit`, or null if the user cancels. */
export async function openForm<T>(
  options: FormOptions<T>,
  trans: TranslationBundle
): Promise<T | null> {
  const body = new FormBody(options.fields, options.note, options.problem ?? null, trans);
  const dialog = new FormDialog(options, body, trans);
  await dialog.launch();
  return dialog.result;
}

class FormBody extends ReactWidget {
  constructor(
    private fieldsFor: (chosen: Values) => readonly Field[],
    private note: string | undefined,
    private problem: Problem | null,
    private trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Bridge-form');
    this.fields = fieldsFor({});
  }

  fields: readonly Field[];

  /** Show a Problem above the fields, or errors at their fields; focus the first of these. */
  showErrors(problem: Problem | null, errors: Record<string, string> = {}): void {
    this.problem = problem;
    this.errors = errors;
    this.update();
    const [name] = Object.keys(errors);
    if (name) {
      void this.renderPromise?.then(() => {
        this.node.querySelector<HTMLElement>(`[data-field="${CSS.escape(name)}"]`)?.focus();
      });
    }
  }

  render(): JSX.Element {
    return (
      <>
        {this.problem && (
          <div className="jp-Bridge-problem" role="alert">
            <span>{this.problem.message}</span>
          </div>
        )}
        <Fields
          id={this.prefix}
          fields={this.fields}
          errors={this.errors}
          trans={this.trans}
          onChoose={(name, value) => {
            this.chosen = { ...this.chosen, [name]: value };
            this.fields = this.fieldsFor(this.chosen);
            this.showErrors(null);
          }}
        />
        {this.note && <div className="jp-Bridge-formNote">{this.note}</div>}
      </>
    );
  }

  private prefix = `jp-Bridge-form-${(count += 1)}`;
  private chosen: Values = {};
  private errors: Record<string, string> = {};
}

class FormDialog<T> extends Dialog<unknown> {
  constructor(
    private options: FormOptions<T>,
    private form: FormBody,
    private trans: TranslationBundle
  ) {
    super({
      title: options.title,
      body: form,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: options.okLabel })
      ],
      focusNodeSelector: '[data-field]'
    });
    this.addClass('jp-Bridge-formDialog');
  }

  result: T | null = null;

  /** The accept button sends the form first, and closes the dialog only after a success. */
  override resolve(index?: number): void {
    if (index === 0) {
      wipe(this.form.node);
      super.resolve(index);
    } else if (!this.isBusy) {
      void this.send();
    }
  }

  private async send(): Promise<void> {
    const { form, trans } = this;
    this.isBusy = true;
    this.node.setAttribute('aria-busy', 'true');
    try {
      const values = valuesIn(form.node);
      const body = bodyOf(form.fields, values, (text, label) => trans.__(text, label));
      this.result = await this.options.submit(body);
      wipe(form.node);
      if (!this.isDisposed) {
        super.resolve(1);
      }
    } catch (error) {
      const name = error instanceof FieldError ? error.field : undefined;
      const problem = Problem.caught(error);
      const field = name ?? problem.details.field;
      if (typeof field === 'string' && form.fields.some(one => one.name === field)) {
        form.showErrors(null, { [field]: problem.message });
      } else {
        form.showErrors(problem);
      }
    } finally {
      this.isBusy = false;
      this.node.removeAttribute('aria-busy');
    }
  }

  private isBusy = false;
}
