// What a person can ask for: more time, to go on until the work is done, to stop.

import { Dialog, Notification, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { type Api, Refused } from './api.ts';
import type { LabModel } from './model.ts';
import type { Tab } from './tab.ts';
import { type Language, said } from './words.ts';

export class Actions {
  /** Set by the first stop, so that a second press does nothing. */
  stopping = false;

  private readonly _api: Api;
  private readonly _model: LabModel;
  private readonly _tab: Tab;
  private readonly _trans: TranslationBundle;
  private readonly _language: Language;

  constructor(
    api: Api,
    model: LabModel,
    tab: Tab,
    trans: TranslationBundle,
    language: Language
  ) {
    this._api = api;
    this._model = model;
    this._tab = tab;
    this._trans = trans;
    this._language = language;
    model.changed.connect(this._lost);
  }

  /** More time, as much and as often as the administrator allows. */
  async keep(): Promise<void> {
    await this._press('keep', this._trans.__('More time was not given'));
  }

  /** Go on while the machine works, without anybody there. */
  async lease(): Promise<void> {
    await this._press('lease', this._trans.__('It was not allowed to go on'));
  }

  /** Ask, save, stop. */
  async stop(): Promise<void> {
    const trans = this._trans;
    const answer = await showDialog({
      title: trans.__('Stop my machine?'),
      body: trans.__(
        'Your open documents are saved first. Cells and programs that are running end. Your files are kept.'
      ),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.warnButton({ label: trans.__('Save all and stop') })
      ],
      defaultButton: 0
    });
    if (answer.button.accept) {
      await this.saveAndStop();
    }
  }

  /** Save, and stop when all is saved or the person says that it does not matter. */
  async saveAndStop(): Promise<void> {
    if (this.stopping) {
      return;
    }
    this.stopping = true;
    try {
      if (!(await this._saved())) {
        return;
      }
      await this._api.press('stop');
      Notification.info(this._trans.__('Your machine is stopping. Your files are kept.'));
      this._toHub();
    } catch (error) {
      await this._show(this._trans.__('The machine was not stopped'), error);
    } finally {
      this.stopping = false;
    }
  }

  /** Save everything, and say what could not be. */
  async saveAll(): Promise<void> {
    const { failed } = await this._tab.save();
    if (failed.length > 0) {
      Notification.error(this._trans.__('Not saved: %1', failed.join(', ')));
    } else {
      Notification.success(this._trans.__('Everything is saved.'));
    }
  }

  dispose(): void {
    this._model.changed.disconnect(this._lost);
  }

  /** The page with all of somebody's credit, null outside a hub. */
  get creditPage(): string | null {
    const hub = this._hub;
    // The service stands beside the hub, below the same address.
    return hub && URLExt.join(hub.replace(/hub\/?$/, ''), 'services/gpuspawner/credit');
  }

  private get _hub(): string | null {
    return this._model.session?.hub_prefix || PageConfig.getOption('hubPrefix') || null;
  }

  private async _saved(): Promise<boolean> {
    const trans = this._trans;
    const { failed } = await this._tab.save();
    if (failed.length === 0) {
      return true;
    }
    const answer = await showDialog({
      title: trans.__('Some documents could not be saved'),
      body: trans.__('Not saved: %1. What is not saved is lost when the machine stops.', failed.join(', ')),
      buttons: [
        Dialog.cancelButton({ label: trans.__('Keep it running') }),
        Dialog.warnButton({ label: trans.__('Stop all the same') })
      ],
      defaultButton: 0
    });
    return answer.button.accept;
  }

  private async _press(button: 'keep' | 'lease', failure: string): Promise<void> {
    try {
      this._model.granted(await this._api.press(button));
    } catch (error) {
      await this._show(failure, error);
    }
  }

  private async _show(title: string, error: unknown): Promise<void> {
    const sentence = error instanceof Refused ? said(error.sentence, this._language) : '';
    await showErrorMessage(
      title,
      sentence || this._trans.__('The hub does not answer. Try again in a minute.'),
      [Dialog.okButton({ label: this._trans.__('OK') })]
    );
  }

  /** A page whose machine has gone tells nothing; the hub's says why it was stopped. */
  private readonly _lost = (): void => {
    const verdict = this._model.session?.verdict;
    if (!this._model.reachable && (verdict === 'save_and_stop' || verdict === 'stop_now')) {
      this._toHub();
    }
  };

  private _toHub(): void {
    const hub = this._hub;
    if (hub) {
      window.location.assign(URLExt.join(hub, 'home'));
    }
  }
}
