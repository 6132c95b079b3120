/** The dialogs for adding a connection, for logging in, and for host keys. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { Problem } from '../../api/problem';
import { Connection } from '../../api/types';
import { Fields } from '../client';
import { Field, fieldsOf } from './form';
import { openForm } from './formDialog';
import { ConnectionsModel } from '../model';
import { vaultSentence } from '../labels';
import { asText } from '../../wire/json';

/** A request that failed because of the host's key; it is repeated if the user accepts the key. */
interface UntrustedHost {
  fields: Fields;
  problem: Problem;
}

export class Logins {
  constructor(
    private model: ConnectionsModel,
    private trans: TranslationBundle
  ) {}

  /** Ask for a new connection, add it and log in; returns its name, or null if the user cancels. */
  async add(): Promise<string | null> {
    const { model, trans } = this;
    const kinds = await model.kinds();
    const usable = kinds.filter(kind => kind.fields);
    const unusable = kinds.filter(kind => kind.problem);
    const common = [
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
            return common;
          }
          const own = fieldsOf(kind.fields, kind.secret);
          // A kind without secrets needs no username.
          const shown = kind.secret?.length ? own : own.filter(one => one.name !== 'username');
          return [...common, ...shown, this.remember()];
        },
        submit: async fields => {
          model.applyList(await model.client.add(fields));
          return String(fields.name);
        }
      },
      trans
    );
    const connection = added === null ? undefined : model.get(added);
    const needsLogin = ['failed', 'forbidden', 'disconnected', 'expired'];
    if (connection && needsLogin.includes(connection.state)) {
      await this.login(connection);
    }
    return added;
  }

  /** Log in with the stored secrets; ask for those that are missing or were refused. */
  async login(connection: Connection): Promise<void> {
    const { name } = connection;
    let problem: Problem | null = null;
    if (connection.needs.length === 0 && connection.state !== 'forbidden') {
      try {
        return await this.act(name, 'login');
      } catch (error) {
        problem = Problem.caught(error);
        if (problem.status !== 401 && problem.code !== 'needs-login') {
          throw error;
        }
      }
    } else if (connection.state === 'forbidden' && connection.reason) {
      problem = new Problem('denied', 401, connection.reason);
    }
    await this.openLogin(connection, problem);
  }

  /** Request an action; if the host's key is not trusted, ask the user and repeat the request. */
  async act(name: string, action: string, fields: Fields = {}): Promise<void> {
    await this.confirmHost(name, action, await this.attempt(name, action, fields));
  }

  private async openLogin(connection: Connection, problem: Problem | null): Promise<void> {
    const { model, trans } = this;
    const { name } = connection;
    const kind = (await model.kinds()).find(one => one.kind === connection.kind);
    const fields = fieldsOf(kind?.fields ?? {}, kind?.secret)
      .filter(field => field.name === 'username' || field.input === 'secret')
      .map(field => ({
        ...field,
        initial: field.name === 'username' ? connection.username : field.initial
      }));
    const untrusted = await openForm(
      {
        title: trans.__('Log in to %1', name),
        okLabel: trans.__('Log in'),
        problem,
        fields: () => [...fields, { ...this.remember(), initial: connection.remembered }],
        submit: body => this.attempt(name, 'login', body)
      },
      trans
    );
    await this.confirmHost(name, 'login', untrusted);
  }

  /** Returns null on success, or the request if the host's key is not trusted. */
  private async attempt(
    name: string,
    action: string,
    fields: Fields
  ): Promise<UntrustedHost | null> {
    try {
      this.model.applyOne(await this.model.client.act(name, action, fields));
      return null;
    } catch (error) {
      const problem = Problem.caught(error);
      if (['unknown-host-key', 'host-key-changed'].includes(problem.code)) {
        return { fields, problem };
      }
      throw error;
    }
  }

  private async confirmHost(
    name: string,
    action: string,
    untrusted: UntrustedHost | null
  ): Promise<void> {
    if (!untrusted) {
      return;
    }
    const { trans } = this;
    const { problem, fields } = untrusted;
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
