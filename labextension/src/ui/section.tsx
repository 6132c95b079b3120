/** The widget of a section of the panel: a bar, the last Problem, and the content. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ReactNode } from 'react';
import { ProblemLine } from './components';
import { Model, useModel } from './model';

/**
 * `bar` and `render` are rendered again whenever `model` changes. A `List` or `TreeList` in the
 * content takes the height that is left.
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
        <ProblemLine problem={model.problem} trans={trans} onClose={() => model.dismissProblem()} />
        {render(model)}
      </>
    );
  };
  return new SectionWidget(model, <Content />);
}

/** Sets whether its model is visible. */
class SectionWidget extends ReactWidget {
  constructor(
    private model: Model,
    private content: JSX.Element
  ) {
    super();
    this.addClass('jp-Bridge-section');
    this.disposed.connect(() => model.dispose());
  }

  protected override render(): JSX.Element {
    return this.content;
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.model.setVisible(true);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model.setVisible(false);
  }
}

/** The field in which the user types the filter of a list. */
export function Filter(props: {
  label: string;
  model: { filter: string; setFilter(text: string): void };
}): JSX.Element {
  return (
    <input
      type="search"
      className="jp-Bridge-filter"
      placeholder={props.label}
      aria-label={props.label}
      value={props.model.filter}
      onChange={event => props.model.setFilter(event.target.value)}
      onKeyDown={event => event.stopPropagation()}
    />
  );
}
