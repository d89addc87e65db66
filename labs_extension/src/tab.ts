// Tells the server that this page is open, whether it is seen, and what in it is not saved; and saves
// when the machine is about to stop. None of it is an act of a person.

import { UUID } from '@lumino/coreutils';

import type { Api } from './api.ts';
import type { LabModel } from './model.ts';
import { type OpenDocument, type Saved, saveAll } from './saving.ts';

const REPORT_SECONDS = 30;

/** The agent waits half a minute for the front ends. */
const PATIENCE_SECONDS = 20;

export class Tab {
  readonly id = UUID.uuid4();

  private readonly _api: Api;
  private readonly _model: LabModel;
  private readonly _open: () => OpenDocument[];
  private _told = '';
  private _toldAt = 0;
  private _answered: string | null = null;
  private _gone = false;

  constructor(api: Api, model: LabModel, open: () => OpenDocument[]) {
    this._api = api;
    this._model = model;
    this._open = open;
    model.ticked.connect(this._report);
    model.changed.connect(this._asked);
    document.addEventListener('visibilitychange', this._report);
    window.addEventListener('pagehide', this._leave);
    window.addEventListener('pageshow', this._return);
  }

  save(): Promise<Saved> {
    return saveAll(this._open(), PATIENCE_SECONDS * 1000);
  }

  dispose(): void {
    this._model.ticked.disconnect(this._report);
    this._model.changed.disconnect(this._asked);
    document.removeEventListener('visibilitychange', this._report);
    window.removeEventListener('pagehide', this._leave);
    window.removeEventListener('pageshow', this._return);
  }

  private get _unsaved(): number {
    return this._open().filter(one => one.dirty).length;
  }

  private readonly _report = (): void => {
    if (this._gone || !this._model.managed) {
      return;
    }
    const visible = !document.hidden;
    const unsaved = this._unsaved;
    const now = Date.now();
    const news = `${visible} ${unsaved}`;
    if (news !== this._told || now - this._toldAt >= REPORT_SECONDS * 1000) {
      this._told = news;
      this._toldAt = now;
      this._api.tab(this.id, visible, unsaved).catch(() => {
        this._told = ''; // said again at the next tick
      });
    }
  };

  private readonly _leave = (): void => {
    this._gone = true;
    if (this._model.managed) {
      void this._api.tab(this.id, false, this._unsaved, true).catch(() => undefined);
    }
  };

  private readonly _return = (): void => {
    // A page may come back from the browser's memory.
    this._gone = false;
    this._told = '';
    this._report();
  };

  private readonly _asked = (): void => {
    if (this._told === '') {
      this._report();
    }
    const request = this._model.session?.session?.save ?? null;
    if (request === null || request === this._answered) {
      return;
    }
    this._answered = request;
    void this._answer(request);
  };

  private async _answer(request: string): Promise<void> {
    const { documents, failed } = await this.save();
    try {
      await this._api.saved(this.id, request, documents, failed);
    } catch {
      this._answered = null; // the next report asks again
    }
    this._report();
  }
}
