// The documents that are open in this page.

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';

import type { OpenDocument } from './saving.ts';

const AREAS = ['main', 'left', 'right'];

/** Each open document once, however many views it has. */
export function openDocuments(
  shell: JupyterFrontEnd.IShell,
  manager: IDocumentManager
): OpenDocument[] {
  const found = new Set<DocumentRegistry.Context>();
  for (const area of AREAS) {
    for (const widget of shell.widgets(area)) {
      const context = manager.contextForWidget(widget);
      if (context && !context.isDisposed) {
        found.add(context);
      }
    }
  }
  return [...found].map(context => ({
    path: context.localPath,
    // A document that is shared is saved by the server as it changes.
    dirty: context.model.dirty && !context.model.collaborative && !context.model.readOnly,
    save: () => context.save()
  }));
}
