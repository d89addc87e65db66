// Warns once of each file that the machine forgets when it stops, without opening the panel.

import { Notification } from '@jupyterlab/apputils';

import type { LabModel } from './model.ts';
import { type Language, said } from './words.ts';

export class TemporaryFiles {
  private readonly _model: LabModel;
  private readonly _language: Language;
  private readonly _told = new Set<string>();

  constructor(model: LabModel, language: Language) {
    this._model = model;
    this._language = language;
    model.changed.connect(this._look);
  }

  dispose(): void {
    this._model.changed.disconnect(this._look);
  }

  private readonly _look = (): void => {
    const storage = this._model.storage;
    const fresh = storage?.temporary.filter(one => !this._told.has(one.path)) ?? [];
    if (storage && fresh.length > 0) {
      fresh.forEach(one => this._told.add(one.path));
      Notification.warning(said(storage.temporary_sentence, this._language), { autoClose: false });
    }
  };
}
