/** Uploads of the server's files, with the dialog that describes a new data set. */
import { TranslationBundle } from '@jupyterlab/translation';
import { Connection, DatasetType } from '../../api/types';
import { Connections } from '../client';
import { Field, propertyFields } from '../form/form';
import { openForm } from '../form/formDialog';
import { TransfersModel } from './transfers';
import { visible } from '../../wire/visible';

/** The name of the field for the type; no property of a remote system begins with a tilde. */
const TYPE = '~type';

export class Uploads {
  constructor(
    private client: Connections,
    private transfers: TransfersModel,
    private trans: TranslationBundle
  ) {}

  /** Upload `paths` (below the server's root) into `entity`, a folder or object of a connection. */
  async start(conn: Connection, entity: string, paths: string[]): Promise<void> {
    const request = {
      connection: conn.name,
      direction: 'upload' as const,
      permId: entity,
      files: paths
    };
    if (!conn.can.includes('objects')) {
      return this.transfers.start(request);
    }
    const types = await this.client.types(conn.name);
    await openForm(
      {
        title: this.trans.__('New data set in %1', visible(entity || conn.name)),
        okLabel: this.trans.__('Upload'),
        note: this.trans.__('From: %1', paths.join(', ')),
        fields: chosen => this.fields(types, String(chosen[TYPE] ?? types[0]?.code ?? '')),
        submit: async body => {
          const { [TYPE]: type, ...props } = body;
          await this.transfers.start({ ...request, type: type as string, props });
          return true;
        }
      },
      this.trans
    );
  }

  private fields(types: DatasetType[], chosen: string): Field[] {
    const type = types.find(one => one.code === chosen);
    return [
      {
        name: TYPE,
        label: this.trans.__('Type of the data set'),
        input: 'choice',
        required: true,
        initial: chosen,
        options: types.map(one => ({
          value: one.code,
          label: one.description ? `${one.code}: ${one.description}` : one.code
        }))
      },
      ...propertyFields(type?.propertyAssignments ?? [])
    ];
  }
}
