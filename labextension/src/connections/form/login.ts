/** Adding a connection, logging in, and what has to be asked for on the way. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { Problem } from '../../api/problem';
import { Connection } from '../../api/types';
import { Fields } from '../client';
import { Field, fieldsOf } from './form';
import { openForm } from './formdialog';
import { ConnectionsModel } from '../model';
import { vaultSentence } from '../labels';
import { asText } from '../../wire/json';

/** What a server is asked for again with a host key that a person has accepted. */
interface Refused {
  fields: Fields;
  problem: Problem;
}

export class Logins {
  constructor(
    private model: ConnectionsModel,
    private trans: TranslationBundle
  ) {}

  /** Ask for a new connection, add it, and log it in; its name, or null. */
  async add(): Promise<string | null> {
    const { model, trans } = this;
    const kinds = await model.kinds();
    const usable = kinds.filter(kind => kind.fields);
    const unusable = kinds.filter(kind => kind.problem);
    const before = [
      text('name', trans.__('Name')),
      {
        ...text('kind', trans.__('Kind')),
        input: 'choice' as const,
        options: usable.map(kind => ({ value: kind.kind, label: kind.title }))
      }
    ];
    const added = await openForm(
      {
        title: trans.__('Add a connection'),
        okLabel: trans.__('Add'),
        note: unusable.map(kind => kind.problem).join(' ') || undefined,
        fields: chosen => {
          const kind = usable.find(one => one.kind === chosen.kind);
          if (!kind?.fields) {
            return before;
          }
          const own = fieldsOf(kind.fields, kind.secret);
          // A kind without secrets logs in as nobody.
          const asked = kind.secret?.length ? own : own.filter(one => one.name !== 'username');
          return [...before, ...asked, this.remember()];
        },
        submit: async fields => {
          model.take(await model.client.add(fields));
          return String(fields.name);
        }
      },
      trans
    );
    const made = added === null ? undefined : model.get(added);
    if (made && ['failed', 'forbidden', 'disconnected', 'expired'].includes(made.state)) {
      await this.login(made);
    }
    return added;
  }

  /** Log in with what the server knows; ask for what it does not, or what was refused. */
  async login(connection: Connection): Promise<void> {
    const { name } = connection;
    let said: Problem | null = null;
    if (connection.needs.length === 0 && connection.state !== 'forbidden') {
      try {
        return await this.act(name, 'login');
      } catch (error) {
        said = Problem.caught(error);
        if (said.status !== 401 && said.code !== 'needs-login') {
          throw error;
        }
      }
    } else if (connection.state === 'forbidden' && connection.reason) {
      said = new Problem('denied', 401, connection.reason);
    }
    await this.ask(connection, said);
  }

  /** Do something; where the host shows a key that nobody has accepted, ask and repeat. */
  async act(name: string, action: string, fields: Fields = {}): Promise<void> {
    const refused = await this.attempt(name, action, fields);
    await this.settle(name, action, refused);
  }

  private async ask(connection: Connection, problem: Problem | null): Promise<void> {
    const { model, trans } = this;
    const { name } = connection;
    const kind = (await model.kinds()).find(one => one.kind === connection.kind);
    const fields = fieldsOf(kind?.fields ?? {}, kind?.secret)
      .filter(field => field.name === 'username' || field.input === 'secret')
      .map(field => ({
        ...field,
        initial: field.name === 'username' ? connection.username : field.initial
      }));
    const refused = await openForm(
      {
        title: trans.__('Log in to %1', name),
        okLabel: trans.__('Log in'),
        problem,
        fields: () => [...fields, { ...this.remember(), initial: connection.remembered }],
        submit: body => this.attempt(name, 'login', body)
      },
      trans
    );
    await this.settle(name, 'login', refused);
  }

  /** Null if it was done, what to ask about if the host's key stands in the way. */
  private async attempt(name: string, action: string, fields: Fields): Promise<Refused | null> {
    try {
      this.model.takeOne(await this.model.client.act(name, action, fields));
      return null;
    } catch (error) {
      const problem = Problem.caught(error);
      if (['unknown-host-key', 'host-key-changed'].includes(problem.code)) {
        return { fields, problem };
      }
      throw error;
    }
  }

  private async settle(name: string, action: string, refused: Refused | null): Promise<void> {
    if (!refused) {
      return;
    }
    const { trans } = this;
    const { problem, fields } = refused;
    const key = asText(problem.details.host_key);
    const isChanged = problem.code === 'host-key-changed';
    const { button } = await showDialog({
      title: isChanged
        ? trans.__('The host’s key has changed')
        : trans.__('Do you trust this host key?'),
      body: `${problem.message}\n\n${key}`,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        isChanged
          ? Dialog.warnButton({ label: trans.__('Trust the new key') })
          : Dialog.okButton({ label: trans.__('Accept') })
      ],
      defaultButton: isChanged ? 0 : 1
    });
    if (button.accept) {
      await this.act(name, action, { ...fields, host_key: key });
    }
  }

  private remember(): Field {
    const { trans, model } = this;
    return {
      ...text('remember', trans.__('Remember')),
      input: 'boolean',
      required: false,
      initial: false,
      description: vaultSentence(model.vault, trans)
    };
  }
}

function text(name: string, label: string): Field {
  return { name, label, input: 'text', required: true, initial: '' };
}
