/** The section "Kernels": what runs, what it does, and what can be done about it. */
import { PanelWithToolbar, ReactWidget } from '@jupyterlab/ui-components';
import { Ground } from '../tokens';
import { List } from '../ui/list';
import { Model, useModel } from '../ui/model';
import { Soon } from '../ui/soon';
import { Dot, ProblemLine, Row } from '../ui/bits';
import { Kernel, Kernels } from './client';

class KernelsModel extends Model {
  constructor(readonly ground: Ground) {
    super();
    this.client = new Kernels(ground.server);
    const soon = new Soon(() => this.refresh(), 250);
    this.disposables.add(soon);
    this.disposables.add(ground.events.on(['kernel_state'], () => soon.wish()));
    void this.refresh();
  }

  kernels: Kernel[] = [];

  private async refresh(): Promise<void> {
    await this.try(async () => {
      this.kernels = await this.client.list();
    });
  }

  private client: Kernels;
}

function Section({ model }: { model: KernelsModel }): JSX.Element {
  useModel(model);
  const { trans } = model.ground;
  return (
    <>
      <ProblemLine problem={model.problem} trans={trans} onClose={() => model.forgive()} />
      <List
        label={trans.__('Kernels')}
        items={model.kernels}
        keyOf={kernel => kernel.id}
        height={44}
        empty={trans.__('No kernel runs.')}
        render={kernel => (
          <Row
            before={<Dot tone="idle" label={kernel.execution_state ?? ''} />}
            title={kernel.name}
            detail={kernel.execution_state}
            actions={null}
          />
        )}
      />
    </>
  );
}

export async function section(ground: Ground): Promise<PanelWithToolbar> {
  const panel = new PanelWithToolbar();
  panel.addWidget(ReactWidget.create(<Section model={new KernelsModel(ground)} />));
  return panel;
}
