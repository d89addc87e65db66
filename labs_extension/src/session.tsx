// The panel's first two parts: the session and the credit.

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Actions } from './actions.ts';
import type { SessionReport } from './reports.ts';
import {
  amount,
  keepLabel,
  type Language,
  lasts,
  mode,
  moment,
  said,
  span,
  stopsAt
} from './words.ts';

interface Properties {
  report: SessionReport;
  actions: Actions;
  trans: TranslationBundle;
  language: Language;
}

export function SessionPart(properties: Properties): React.ReactElement {
  const { report, trans, language } = properties;
  const now = Date.parse(report.server_time);
  const at = stopsAt(report);
  const lease = report.session?.lease_until;
  const because = said(report.sentence ?? report.session?.because, language);
  return (
    <section aria-labelledby="jp-gpuspawner-session">
      <h2 id="jp-gpuspawner-session">{trans.__('Session')}</h2>
      <p className="jp-gpuspawner-lead">{mode(report, trans)}</p>
      {because && <p>{because}</p>}
      <dl>
        <dt>{trans.__('Stops')}</dt>
        <dd>
          {at === null
            ? trans.__('no stop in sight')
            : trans.__('%1, in %2', moment(at, now, language), span((at - now) / 1000, trans))}
        </dd>
        {lease && (
          <>
            <dt>{trans.__('Goes on while it works')}</dt>
            <dd>{trans.__('until %1', moment(Date.parse(lease), now, language))}</dd>
          </>
        )}
      </dl>
      <Buttons {...properties} />
    </section>
  );
}

function Buttons(properties: Properties): React.ReactElement {
  const { report, actions, trans } = properties;
  const left = report.session?.extensions_left ?? null;
  return (
    <div className="jp-gpuspawner-buttons">
      <button
        className="jp-mod-styled jp-mod-accept"
        disabled={left === 0}
        onClick={() => void actions.keep()}
      >
        {keepLabel(report, trans)}
      </button>
      {left !== null && (
        <p className="jp-gpuspawner-note">
          {left === 0 ? trans.__('Not again today.') : trans.__('Left today: %1', `${left}`)}
        </p>
      )}
      {!report.session?.lease_until && (
        <button className="jp-mod-styled" onClick={() => void actions.lease()}>
          {trans.__('Go on until my work is done')}
        </button>
      )}
      <button className="jp-mod-styled" onClick={() => void actions.stop()}>
        {trans.__('Stop my machine')}
      </button>
    </div>
  );
}

export function CreditPart(properties: Properties): React.ReactElement | null {
  const { report, actions, trans } = properties;
  const { balance } = report;
  const page = actions.creditPage;
  if (!balance) {
    return null;
  }
  const length = lasts(balance);
  const price = balance.per_hour_micros;
  return (
    <section aria-labelledby="jp-gpuspawner-credit">
      <h2 id="jp-gpuspawner-credit">{trans.__('Credit')}</h2>
      <p className="jp-gpuspawner-lead">{amount(balance.micros, balance.unit, trans)}</p>
      <dl>
        {price !== null && price !== undefined && (
          <>
            <dt>{trans.__('An hour costs')}</dt>
            <dd>{amount(price, balance.unit, trans, 1)}</dd>
          </>
        )}
        {length !== null && (
          <>
            <dt>{trans.__('Lasts for')}</dt>
            <dd>{trans.__('about %1', span(length, trans))}</dd>
          </>
        )}
      </dl>
      {page && (
        <p>
          <a href={page} target="_blank" rel="noreferrer">
            {trans.__('My credit')}
          </a>
        </p>
      )}
    </section>
  );
}
