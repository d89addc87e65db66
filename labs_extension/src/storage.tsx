// The panel's part on the home, and on what is not in it.

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Bar } from './plot.tsx';
import type { StorageReport } from './reports.ts';
import { gibibytes, type Language, said } from './words.ts';

export function StoragePart(properties: {
  storage: StorageReport;
  trans: TranslationBundle;
  language: Language;
}): React.ReactElement {
  const { storage, trans, language } = properties;
  const { home, notes, temporary_sentence: temporary } = storage;
  const attention = temporary ? [temporary, ...notes] : notes;
  return (
    <section aria-labelledby="jp-gpuspawner-storage">
      <h2 id="jp-gpuspawner-storage">{trans.__('My files')}</h2>
      {home && (
        <>
          <p className="jp-gpuspawner-row">
            <span>{trans.__('Free in my home')}</span>
            <span>
              {trans.__('%1 of %2', gibibytes(home.free_bytes), gibibytes(home.total_bytes))}
            </span>
          </p>
          <Bar share={1 - home.free_bytes / home.total_bytes} />
        </>
      )}
      {attention.map(one => (
        <p key={one.en} className="jp-gpuspawner-attention">
          {said(one, language)}
        </p>
      ))}
    </section>
  );
}
