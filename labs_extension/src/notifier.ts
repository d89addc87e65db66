// Shows the one warning that is due as a notification of JupyterLab's, and takes it back.

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Actions } from './actions.ts';
import type { LabModel } from './model.ts';
import { type Due, dueOf, follow, fitting, type Memory, NOTHING } from './warning.ts';
import { keepLabel, type Language, moment, said } from './words.ts';

/** JupyterLab cuts what is longer. */
const LONGEST = 140;

export class Notifier {
  private readonly _model: LabModel;
  private readonly _actions: Actions;
  private readonly _trans: TranslationBundle;
  private readonly _language: Language;
  private _memory: Memory = NOTHING;
  private _id: string | null = null;

  constructor(model: LabModel, actions: Actions, trans: TranslationBundle, language: Language) {
    this._model = model;
    this._actions = actions;
    this._trans = trans;
    this._language = language;
    model.changed.connect(this._update);
    Notification.manager.changed.connect(this._removed);
  }

  dispose(): void {
    this._model.changed.disconnect(this._update);
    Notification.manager.changed.disconnect(this._removed);
    this._withdraw();
  }

  private readonly _update = (): void => {
    const due = dueOf(this._model.session);
    const [memory, act] = follow(this._memory, due);
    this._memory = memory;
    if (act !== 'nothing') {
      this._withdraw();
    }
    if (act === 'show' && due) {
      this._show(due);
    }
  };

  private _show(due: Due): void {
    const actions = due.at === null ? [] : this._buttons(due);
    this._id = Notification.emit(this._message(due), 'warning', { autoClose: false, actions });
  }

  private _message(due: Due): string {
    const trans = this._trans;
    const now = Date.parse(this._model.session?.server_time ?? '');
    const when =
      due.at === null
        ? trans.__('Your machine is stopping.')
        : trans.__('Your machine stops at %1.', moment(due.at, now, this._language));
    return fitting(`${when} ${said(due.sentence, this._language)}`, LONGEST);
  }

  private _buttons(due: Due): Notification.IAction[] {
    const trans = this._trans;
    const left = this._model.session?.session?.extensions_left;
    const more = due.reachable && left !== 0;
    return [
      ...(more
        ? [
            {
              label: keepLabel(this._model.session, trans),
              displayType: 'accent' as const,
              callback: () => void this._actions.keep()
            }
          ]
        : []),
      due.reachable
        ? {
            label: trans.__('Save all and stop now'),
            callback: () => void this._actions.saveAndStop()
          }
        : { label: trans.__('Save all'), callback: () => void this._actions.saveAll() }
    ];
  }

  private _withdraw(): void {
    const id = this._id;
    this._id = null; // first, so that it does not count as dismissed
    if (id !== null) {
      Notification.dismiss(id);
    }
  }

  private readonly _removed = (_: unknown, change: Notification.IChange): void => {
    if (change.type === 'removed' && change.notification.id === this._id) {
      this._id = null;
      this._memory = { ...this._memory, showing: false, dismissed: true };
    }
  };
}
