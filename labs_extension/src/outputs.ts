// Shows the outputs of cells that this page has not run itself, or has not heard to the end: JupyterLab
// gives a kernel's messages only to the page that asked for them. The server keeps them.

import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import { JSONExt } from '@lumino/coreutils';
import type { Widget } from '@lumino/widgets';

import type { Api } from './api.ts';
import type { CellNews, Output, OutputNews } from './reports.ts';

const SHORTEST_WAIT = 1000;
const LONGEST_WAIT = 5000;

/** So long at most a save waits until it is known whether the server has written the file meanwhile. */
const SAVE_WAIT = 3000;

/** So many times as long as an answer took is waited for the next, so that large ones come less often. */
const PATIENCE = 5;

/** What JupyterLab's notebook is to us; its package would be a thousand lines of the lock file. */
interface Outputs {
  readonly length: number;
  get(index: number): { toJSON(): Output };
  add(output: Output): number;
  fromJSON(outputs: Output[]): void;
}

interface CodeCell {
  readonly type: string;
  readonly id: string;
  readonly sharedModel: { getSource(): string };
  readonly outputs: Outputs;
  trusted: boolean;
  executionCount: number | null;
  executionState?: string;
}

interface Notebook {
  readonly cells: Iterable<CodeCell>;
}

interface NotebookPanel extends Widget {
  readonly content: { readonly widgets: readonly CellWidget[] };
}

interface CellWidget {
  readonly model: { readonly id: string };
  readonly outputArea?: {
    readonly node: HTMLElement;
    readonly future: {
      readonly isDisposed: boolean;
      readonly msg: { readonly header: { readonly msg_id: string } };
      dispose(): void;
    } | null;
  };
}

/** Follows the notebook of one panel, from the time that it is connected to a kernel. */
export class Follower {
  private readonly _api: Api;
  private readonly _contents: Contents.IManager;
  private readonly _panel: NotebookPanel;
  private readonly _context: DocumentRegistry.Context;
  private _version = 0;
  private _page = '';
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _wait = SHORTEST_WAIT;
  private _asking = false;
  private _again = false;
  private _asked: Promise<unknown> = Promise.resolve();

  constructor(
    api: Api,
    contents: Contents.IManager,
    panel: Widget,
    context: DocumentRegistry.Context
  ) {
    this._api = api;
    this._contents = contents;
    this._panel = panel as NotebookPanel;
    this._context = context;
    const session = context.sessionContext;
    session.connectionStatusChanged.connect((_, status) => {
      if (status === 'connected') {
        this._ask();
      }
    });
    session.iopubMessage.connect((_, message) => {
      const parent = message.parent_header;
      const ours = session.session?.kernel?.clientId;
      if (message.header.msg_type === 'execute_input' && 'session' in parent) {
        if (parent.session !== ours) {
          this._ask();
        }
      }
    });
    void session.ready.then(this._ask);
    // A save that begins while the server is asked would ask the student about what it has written.
    const save = context.save.bind(context);
    context.save = async () => {
      await Promise.race([this._asked, new Promise(resolve => setTimeout(resolve, SAVE_WAIT))]);
      await save();
    };
    panel.disposed.connect(() => clearTimeout(this._timer));
  }

  private readonly _ask = (): void => {
    clearTimeout(this._timer);
    if (this._asking) {
      this._again = true;
      return;
    }
    this._asking = true;
    this._again = false;
    const begun = Date.now();
    this._asked = this._once()
      .then(coming => {
        const took = Date.now() - begun;
        this._wait = Math.min(Math.max(this._wait, PATIENCE * took), 60 * SHORTEST_WAIT);
        return coming;
      }, () => true) // the server may be away for a moment
      .then(coming => {
        this._asking = false;
        if ((coming || this._again) && !this._panel.isDisposed) {
          this._timer = setTimeout(this._ask, this._wait);
        }
      });
  };

  /** Whether there is more to come. */
  private async _once(): Promise<boolean> {
    const session = this._context.sessionContext.session;
    const kernel = session?.kernel;
    if (!session || !kernel || this._panel.isDisposed) {
      return false;
    }
    const page = `${kernel.id} ${kernel.clientId}`;
    if (page !== this._page) {
      this._page = page;
      this._version = 0;
    }
    const news = await this._api.outputs(session.id, kernel.id, kernel.clientId, this._version);
    if (!news || this._panel.isDisposed) {
      return false;
    }
    await this._accept(news);
    for (const one of news.cells) {
      await this._show(one);
    }
    this._version = news.version;
    this._wait = news.cells.length ? SHORTEST_WAIT : Math.min(1.5 * this._wait, LONGEST_WAIT);
    return news.coming;
  }

  /**
   * Take the file as the server has written it for the one that this page has open.
   *
   * While the page slept, the server put the outputs into the file that the page has now, or will have
   * in a moment. Without this, its next save would ask whether to overwrite what somebody changed.
   * JupyterLab takes over what a file is from the answer to a renaming, which here changes nothing.
   */
  private async _accept(news: OutputNews): Promise<void> {
    const { path, contentsModel } = this._context;
    if (!news.rewritten || contentsModel?.hash !== news.rewritten.from) {
      return;
    }
    const now = await this._contents.get(path, { content: false, hash: true });
    if (now.hash === news.rewritten.to) {
      await this._contents.rename(path, path);
    }
  }

  private async _show(news: CellNews): Promise<void> {
    const cell = this._find(news);
    if (!cell) {
      return;
    }
    const area = this._panel.content.widgets.find(one => one.model.id === cell.id)?.outputArea;
    const future = area?.future;
    if (future && !future.isDisposed) {
      // Another run of this page's, or one that waits for an answer to its input().
      if (future.msg.header.msg_id !== news.request || area.node.querySelector('.jp-Stdin')) {
        return;
      }
      future.dispose(); // or what it still has to deliver would be shown twice
      await new Promise(resolve => setTimeout(resolve));
    }
    cell.trusted = true; // as what is run is
    show(cell.outputs, news.outputs);
    cell.executionState = news.finished ? 'idle' : 'running';
    if (news.finished) {
      cell.executionCount = news.execution_count;
    }
  }

  private _find(news: CellNews): CodeCell | undefined {
    const notebook = this._context.model as unknown as Notebook;
    const cells = [...notebook.cells].filter(one => one.type === 'code');
    return (
      cells.find(one => one.id === news.id) ??
      cells.find(one => one.sharedModel.getSource() === news.source)
    );
  }
}

/** Make `model` show `wanted`, and draw again only what is new. */
export function show(model: Outputs, wanted: Output[]): void {
  const has = Array.from({ length: model.length }, (_, index) => model.get(index).toJSON());
  const same = has.findIndex((one, index) => !JSONExt.deepEqual(one, wanted[index] ?? null));
  if (same === -1) {
    wanted.slice(has.length).forEach(one => model.add(one));
    return;
  }
  const last = same === has.length - 1 ? textOf(has[same]) : null;
  const longer = textOf(wanted[same]);
  if (last && longer && last.name === longer.name && longer.text.startsWith(last.text)) {
    model.add({ ...wanted[same], text: longer.text.slice(last.text.length) });
    wanted.slice(has.length).forEach(one => model.add(one));
    return;
  }
  model.fromJSON(wanted);
}

function textOf(output: Output | undefined): { name: unknown; text: string } | null {
  if (output?.output_type !== 'stream') {
    return null;
  }
  const text = output.text;
  return { name: output.name, text: Array.isArray(text) ? text.join('') : String(text) };
}
