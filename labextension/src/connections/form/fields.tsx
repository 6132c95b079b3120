/** The input elements of a form. Only they hold the values, until the form is sent. */
import { TranslationBundle } from '@jupyterlab/translation';
import { Field, Values } from './form';

export interface FieldsProps {
  /** The prefix of the elements' ids. */
  id: string;
  fields: readonly Field[];
  /** Messages by the name of the field. */
  errors: Record<string, string>;
  trans: TranslationBundle;
  onChoose?: (name: string, value: string) => void;
}

/** Required and common fields; the others are behind "More". */
export function Fields(props: FieldsProps): JSX.Element {
  const isShown = (field: Field) =>
    field.required ||
    field.input === 'secret' ||
    field.name in props.errors ||
    ['username', 'kind', 'remember'].includes(field.name);
  const shown = props.fields.filter(isShown);
  const more = props.fields.filter(field => !isShown(field));
  return (
    <>
      {shown.map(field => (
        <FieldRow key={`${field.name}:${field.input}`} field={field} {...props} />
      ))}
      {more.length > 0 && (
        <details className="jp-Bridge-more">
          <summary>{props.trans.__('More')}</summary>
          {more.map(field => (
            <FieldRow key={`${field.name}:${field.input}`} field={field} {...props} />
          ))}
        </details>
      )}
    </>
  );
}

function FieldRow({ field, id, errors, onChoose }: FieldsProps & { field: Field }): JSX.Element {
  const error = errors[field.name];
  const about = {
    id: `${id}-${field.name}`,
    'data-field': field.name,
    'aria-required': field.required,
    'aria-invalid': error !== undefined,
    'aria-describedby':
      [error && `${id}-${field.name}-error`, field.description && `${id}-${field.name}-about`]
        .filter(Boolean)
        .join(' ') || undefined
  };
  const label = (
    <label htmlFor={about.id}>
      {field.label}
      {field.required && <span aria-hidden="true"> *</span>}
    </label>
  );
  return (
    <div className={`jp-Bridge-field jp-mod-${field.input}`}>
      {field.input === 'boolean' ? (
        <>
          <input type="checkbox" {...about} defaultChecked={field.initial === true} />
          {label}
        </>
      ) : (
        <>
          {label}
          <Entry field={field} about={about} onChoose={onChoose} />
        </>
      )}
      {error !== undefined && (
        <div id={`${about.id}-error`} className="jp-Bridge-fieldError" role="alert">
          {error}
        </div>
      )}
      {field.description && (
        <div id={`${about.id}-about`} className="jp-Bridge-fieldAbout">
          {field.description}
        </div>
      )}
    </div>
  );
}

function Entry(props: {
  field: Field;
  about: Record<string, unknown>;
  onChoose?: (name: string, value: string) => void;
}): JSX.Element {
  const { field, about } = props;
  const initial = String(field.initial);
  switch (field.input) {
    case 'choice':
      return (
        <select
          className="jp-mod-styled"
          {...about}
          defaultValue={initial}
          onChange={event => props.onChoose?.(field.name, event.target.value)}
        >
          {initial === '' && <option value="" />}
          {field.options?.map(one => (
            <option key={one.value} value={one.value}>
              {one.label}
            </option>
          ))}
        </select>
      );
    case 'lines':
    case 'json':
      return <textarea className="jp-mod-styled" rows={2} {...about} defaultValue={initial} />;
    default:
      return (
        <input
          className="jp-mod-styled"
          type={field.input === 'secret' ? 'password' : 'text'}
          inputMode={field.input === 'integer' ? 'numeric' : undefined}
          autoComplete={field.input === 'secret' ? 'new-password' : 'off'}
          spellCheck={false}
          {...about}
          defaultValue={initial}
        />
      );
  }
}

/** The values of the fields below `node`. */
export function valuesIn(node: HTMLElement): Values {
  const values: Values = {};
  for (const entry of node.querySelectorAll<HTMLInputElement>('[data-field]')) {
    values[entry.dataset.field!] = entry.type === 'checkbox' ? entry.checked : entry.value;
  }
  return values;
}

/** Empty the password fields below `node`. */
export function wipe(node: HTMLElement): void {
  node.querySelectorAll<HTMLInputElement>('input[type=password]').forEach(one => {
    one.value = '';
  });
}
