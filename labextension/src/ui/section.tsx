/** How a section of the panel is composed: a bar, what went wrong, and what there is. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ReactNode } from 'react';
import { ProblemLine } from './components';
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
  return new SectionWidget(model, <Content />);
}

/** Tells its model whether it is in sight. */
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
    this.model.look(true);
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model.look(false);
  }
}

/** The field that narrows a list. */
export function Filter(props: {
  label: string;
  model: { filter: string; narrow(text: string): void };
}): JSX.Element {
  return (
    <input
      type="search"
      className="jp-Bridge-filter"
      placeholder={props.label}
      aria-label={props.label}
      value={props.model.filter}
      onChange={event => props.model.narrow(event.target.value)}
      onKeyDown={event => event.stopPropagation()}
    />
  );
}
