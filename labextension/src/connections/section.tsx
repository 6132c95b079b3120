/** The section of connections. */
import { PanelWithToolbar } from '@jupyterlab/ui-components';
import { Ground } from '../tokens';

export async function section(_: Ground): Promise<PanelWithToolbar> {
  return new PanelWithToolbar();
}
