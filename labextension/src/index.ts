/** The plugins of Jupyter Bridge. What they show is loaded when it is first shown. */
import { connections } from './connections/plugin';
import { consoles } from './consoles/plugin';
import { panel } from './panel/plugin';
import { kernels } from './kernels/plugin';
import { status } from './panel/status';

export { IBridge } from './panel/tokens';
export default [panel, kernels, consoles, connections, status];
