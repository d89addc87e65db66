import { LabIcon } from '@jupyterlab/ui-components';

/** A chip. */
export const chipIcon = new LabIcon({
  name: 'gpuspawner-labs:chip',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" fill-rule="evenodd" d="M9 2h2v3h2V2h2v3h2a2 2 0 0 1 2 2v2h3v2h-3v2h3v2h-3v2a2 2 0 0 1-2 2h-2v3h-2v-3h-2v3H9v-3H7a2 2 0 0 1-2-2v-2H2v-2h3v-2H2V9h3V7a2 2 0 0 1 2-2h2V2zM7 7v10h10V7H7zm2.5 2.5h5v5h-5v-5z"/>
</svg>`
});
