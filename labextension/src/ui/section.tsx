/** How a section of the panel is composed: a bar, what went wrong, and what there is. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { ReactNode } from 'react';
import { ProblemLine } from './bits';
import { Model, useModel } from './model';

/**
 * The widget of a section: `render` draws its content whenever `model` changes. Under the bar stands
 * the model's Problem, then whatever is drawn; a `List` takes the height that is left.
 */
export function sectionWidget<M extends Model>(
  model: M,
  trans: TranslationBundle,
  bar: (model: M) => ReactNode,
  render: (model: M) => ReactNode
): Widget {
  const Content = () => {
    useModel(model);
    return (
      <>
        <div className="jp-Bridge-bar">{bar(model)}</div>
        <ProblemLine problem={model.problem} trans={trans} onClose={() => model.forgive()} />
        {render(model)}
      </>
    );
  };
  const widget = ReactWidget.create(<Content />);
  widget.addClass('jp-Bridge-section');
  widget.disposed.connect(() => model.dispose());
  return widget;
}

/** The field that narrows a list. */
export function Filter(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
}): JSX.Element {
  return (
    <input
      type="search"
      className="jp-Bridge-filter"
      placeholder={props.label}
      aria-label={props.label}
      value={props.value}
      onChange={event => props.onChange(event.target.value)}
      onKeyDown={event => event.stopPropagation()}
    />
  );
}
