/** The plugins of Jupyter Bridge. What they show is loaded when it is first shown. */
import { connections } from './connections/plugin';
import { consoles } from './consoles/plugin';
import { panel } from './plugin';
import { kernels } from './relay/plugin';
import { status } from './status';

export { IBridge } from './tokens';
export default [panel, kernels, consoles, connections, status];
