// The side panel and the status bar's item. Both read the one model.

import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Actions } from './actions.ts';
import { BenchmarkPart } from './benchmark.tsx';
import { CoursePart } from './course.tsx';
import { GpuPart } from './gpu.tsx';
import { chipIcon } from './icon.ts';
import type { LabModel } from './model.ts';
import { CreditPart, SessionPart } from './session.tsx';
import { StoragePart } from './storage.tsx';
import { dueOf } from './warning.ts';
import { type Language, said, statusLine } from './words.ts';

export class Panel extends ReactWidget {
  private readonly _model: LabModel;
  private readonly _actions: Actions;
  private readonly _trans: TranslationBundle;
  private readonly _language: Language;
  private readonly _openFile: (path: string) => void;

  constructor(
    model: LabModel,
    actions: Actions,
    openFile: (path: string) => void,
    trans: TranslationBundle,
    language: Language
  ) {
    super();
    this._model = model;
    this._actions = actions;
    this._openFile = openFile;
    this._trans = trans;
    this._language = language;
    this.id = 'gpuspawner-labs';
    this.addClass('jp-gpuspawner-panel');
    this.title.icon = chipIcon;
    this.title.caption = trans.__('My machine');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('My machine'));
  }

  protected override onAfterShow(): void {
    this._model.panel = true;
  }

  protected override onAfterHide(): void {
    this._model.panel = false;
  }

  protected override render(): React.ReactElement {
    return <UseSignal signal={this._model.changed}>{() => this._parts()}</UseSignal>;
  }

  private _parts(): React.ReactElement {
    const { session, gpu, course, storage, managed } = this._model;
    const common = { trans: this._trans, language: this._language };
    const parts = { ...common, actions: this._actions };
    return (
      <>
        {!this._model.reachable && (
          <p role="status" className="jp-gpuspawner-attention">
            {this._trans.__('The server does not answer. What is shown may be old.')}
          </p>
        )}
        {managed && session && <SessionPart report={session} {...parts} />}
        {managed && session && <CreditPart report={session} {...parts} />}
        {course?.folder && <CoursePart course={course} open={this._openFile} {...common} />}
        {managed && storage && <StoragePart storage={storage} {...common} />}
        {gpu && <GpuPart gpu={gpu} {...common} />}
        <BenchmarkPart model={this._model} {...common} />
      </>
    );
  }
}

export class StatusItem extends ReactWidget {
  private readonly _model: LabModel;
  private readonly _open: () => void;
  private readonly _trans: TranslationBundle;
  private readonly _language: Language;

  constructor(model: LabModel, open: () => void, trans: TranslationBundle, language: Language) {
    super();
    this._model = model;
    this._open = open;
    this._trans = trans;
    this._language = language;
    this.addClass('jp-gpuspawner-status');
  }

  protected override render(): React.ReactElement {
    return <UseSignal signal={this._model.changed}>{() => this._line()}</UseSignal>;
  }

  private _line(): React.ReactElement {
    const { session, gpu } = this._model;
    const line = statusLine(session, gpu, this._trans, this._language);
    const because = said(session?.sentence ?? session?.session?.because, this._language);
    return (
      <button
        className={dueOf(session) ? 'jp-mod-warn' : undefined}
        title={because || this._trans.__('My machine')}
        onClick={this._open}
        hidden={line === ''}
      >
        {line}
      </button>
    );
  }
}
