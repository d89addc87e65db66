// What JupyterLab loads: one plugin, which makes the model and what shows it.

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

import { Actions } from './actions.ts';
import { Api } from './api.ts';
import { openDocuments } from './documents.ts';
import { chipIcon } from './icon.ts';
import { LabModel } from './model.ts';
import { Notifier } from './notifier.ts';
import { Follower } from './outputs.ts';
import { Panel, StatusItem } from './panel.tsx';
import { Tab } from './tab.ts';
import { TemporaryFiles } from './temporary.ts';
import { keepLabel, languageOf } from './words.ts';

const ID = 'gpuspawner-labs';

const plugin: JupyterFrontEndPlugin<void> = {
  id: `${ID}:plugin`,
  description: 'A GPU machine: when it stops, what it costs, what its GPU does.',
  autoStart: true,
  requires: [IDocumentManager],
  optional: [ITranslator, IStatusBar, ILayoutRestorer, ICommandPalette, IMainMenu],
  activate: (
    app: JupyterFrontEnd,
    manager: IDocumentManager,
    translator: ITranslator | null,
    statusBar: IStatusBar | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    menu: IMainMenu | null
  ) => {
    const translate = translator ?? nullTranslator;
    const trans = translate.load('gpuspawner_labs');
    const language = languageOf(translate.languageCode);
    const api = new Api(app.serviceManager.serverSettings);
    const model = new LabModel(api);
    const tab = new Tab(api, model, () => openDocuments(app.shell, manager));
    const actions = new Actions(api, model, tab, trans, language);
    new Notifier(model, actions, trans, language);
    new TemporaryFiles(model, language);
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: (notebook, context) => {
        new Follower(api, app.serviceManager.contents, notebook, context);
      }
    });

    const openFile = (path: string) => void manager.openOrReveal(path);
    const panel = new Panel(model, actions, openFile, trans, language);
    app.shell.add(panel, 'left', { rank: 700, type: 'My machine' });
    restorer?.add(panel, panel.id);
    const open = () => app.shell.activateById(panel.id);
    statusBar?.registerStatusItem(`${ID}:status`, {
      item: new StatusItem(model, open, trans, language),
      align: 'left',
      rank: 50
    });
    addCommands(app, model, actions, open, trans, palette, menu);
  }
};

function addCommands(
  app: JupyterFrontEnd,
  model: LabModel,
  actions: Actions,
  open: () => void,
  trans: TranslationBundle,
  palette: ICommandPalette | null,
  menu: IMainMenu | null
): void {
  const category = trans.__('My machine');
  const isEnabled = () => model.managed;
  const commands = {
    [`${ID}:open`]: { label: trans.__('Show my machine'), icon: chipIcon, execute: open },
    [`${ID}:keep`]: {
      label: () => keepLabel(model.session, trans),
      isEnabled,
      execute: () => actions.keep()
    },
    [`${ID}:lease`]: {
      label: trans.__('Go on until my work is done'),
      isEnabled,
      execute: () => actions.lease()
    },
    [`${ID}:stop`]: {
      label: trans.__('Stop my machine'),
      isEnabled,
      isVisible: isEnabled,
      execute: () => actions.stop()
    }
  };
  for (const [id, options] of Object.entries(commands)) {
    app.commands.addCommand(id, options);
    palette?.addItem({ command: id, category });
  }
  menu?.fileMenu.addGroup([{ command: `${ID}:stop` }], 98);
  let managed = false;
  model.changed.connect(() => {
    if (managed !== model.managed) {
      managed = model.managed;
      app.commands.notifyCommandChanged();
    }
  });
}

export default plugin;
