// The panel's last part: run the benchmark, and look at what it measured.

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { LabModel } from './model.ts';
import { Bar } from './plot.tsx';
import type { Comparison, Result, Row, Run } from './reports.ts';
import { figure, type Language, moment, percent, said } from './words.ts';

interface Common {
  trans: TranslationBundle;
  language: Language;
}

export function BenchmarkPart(properties: Common & { model: LabModel }): React.ReactElement {
  const { model, trans, language } = properties;
  const { running } = model;
  const [chosen, choose] = React.useState('');
  const results = model.results?.results ?? [];
  const result = results.find(one => one.id === chosen) ?? results[0];
  const failed = !running && model.runs[0]?.state === 'failed';
  const refused = model.results?.refused.length ?? 0;
  return (
    <section aria-labelledby="jp-gpuspawner-benchmark">
      <h2 id="jp-gpuspawner-benchmark">{trans.__('Benchmark')}</h2>
      {running ? (
        <Progress model={model} run={running} trans={trans} language={language} />
      ) : (
        <Start model={model} trans={trans} />
      )}
      {model.refusal && (
        <p role="alert" className="jp-gpuspawner-attention">
          {said(model.refusal, language)}
        </p>
      )}
      {failed && (
        <p className="jp-gpuspawner-attention">
          {trans.__('The last benchmark ended without a result. Is Keras installed?')}
        </p>
      )}
      {running ? (
        <Rows rows={running.results} trans={trans} language={language} />
      ) : (
        result && (
          <>
            <Chooser
              results={results}
              chosen={result}
              choose={choose}
              trans={trans}
              language={language}
            />
            <Class model={model} result={result} trans={trans} language={language} />
            <Rows
              rows={result.results}
              comparison={model.comparisons.get(result.id)}
              trans={trans}
              language={language}
            />
          </>
        )
      )}
      {refused > 0 && (
        <p className="jp-gpuspawner-note">
          {trans.__('Files that are no results and are not shown: %1', `${refused}`)}
        </p>
      )}
    </section>
  );
}

function Start(properties: { model: LabModel; trans: TranslationBundle }): React.ReactElement {
  const { model, trans } = properties;
  const [scale, setScale] = React.useState('quick');
  return (
    <div className="jp-gpuspawner-inline">
      <select
        className="jp-mod-styled"
        aria-label={trans.__('How much is measured')}
        value={scale}
        onChange={event => setScale(event.target.value)}
      >
        <option value="quick">{trans.__('Quick: two minutes')}</option>
        <option value="full">{trans.__('Full: several minutes')}</option>
      </select>
      <button className="jp-mod-styled" onClick={() => void model.startBenchmark(scale)}>
        {trans.__('Run')}
      </button>
    </div>
  );
}

function Progress(properties: Common & { model: LabModel; run: Run }): React.ReactElement {
  const { model, run, trans, language } = properties;
  const what = run.now
    ? `${said(run.now.title, language) || run.now.id} (${run.now.device.toUpperCase()})`
    : trans.__('getting ready');
  return (
    <>
      <p role="status">{trans.__('Measuring: %1', what)}</p>
      <div className="jp-gpuspawner-inline">
        <progress aria-label={trans.__('The benchmark is running')} />
        <button className="jp-mod-styled" onClick={() => void model.cancelBenchmark(run.id)}>
          {trans.__('Cancel')}
        </button>
      </div>
    </>
  );
}

function Chooser(
  properties: Common & { results: Result[]; chosen: Result; choose: (id: string) => void }
): React.ReactElement {
  const { results, chosen, choose, trans, language } = properties;
  const name = (one: Result): string => {
    const when = moment(Date.parse(one.started), 0, language);
    return [when, one.device?.name ?? trans.__('no GPU'), one.config.backend].join(', ');
  };
  return (
    <select
      className="jp-mod-styled jp-gpuspawner-wide"
      aria-label={trans.__('Result')}
      value={chosen.id}
      onChange={event => choose(event.target.value)}
    >
      {results.map(one => (
        <option key={one.id} value={one.id}>
          {name(one)}
        </option>
      ))}
    </select>
  );
}

/** Has the result compared with the class, and says what becomes of the student's figures. */
function Class(
  properties: Common & { model: LabModel; result: Result }
): React.ReactElement | null {
  const { model, result, trans, language } = properties;
  const { managed } = model;
  React.useEffect(() => void model.compare(result.id));
  const comparison = model.comparisons.get(result.id);
  if (!managed || !comparison) {
    return null;
  }
  return (
    <p className="jp-gpuspawner-note">
      {comparison.compared
        ? trans.__(
            'These figures are sent to the class without your name. Its medians are self-reported, and none is told of fewer than %1 people.',
            `${comparison.least ?? ''}`
          )
        : said(comparison.sentence, language)}
    </p>
  );
}

function Rows(
  properties: Common & { rows: Row[]; comparison?: Comparison | null }
): React.ReactElement {
  const { rows, comparison, trans, language } = properties;
  const ids = [...new Set(rows.map(row => row.id))];
  return (
    <ul className="jp-gpuspawner-results">
      {ids.map(id => {
        const group = rows.filter(row => row.id === id);
        return (
          <li key={id}>
            <h3>{said(group[0].title, language) || id}</h3>
            {group.map(row => (
              <Measured
                key={row.device}
                row={row}
                group={group}
                comparison={comparison}
                trans={trans}
                language={language}
              />
            ))}
          </li>
        );
      })}
    </ul>
  );
}

function Measured(
  properties: Common & { row: Row; group: Row[]; comparison?: Comparison | null }
): React.ReactElement {
  const { row, group, comparison, trans, language } = properties;
  if (row.status !== 'ok' || row.value === null || row.value === undefined) {
    return <p className="jp-gpuspawner-note">{said(row.sentence, language) || row.status}</p>;
  }
  const share = row.fraction_of_peak;
  const text = amountOf(row, row.value);
  const others = comparison?.medians.find(one => one.id === row.id && one.device === row.device);
  const beside = [
    row.noisy && trans.__('disturbed by other programs'),
    others &&
      trans.__('Class median %1 (of %2)', amountOf(row, others.median), `${others.count}`),
    row.peak && trans.__('the chip can do %1', amountOf(row, row.peak))
  ].filter(Boolean);
  return (
    <>
      <p className="jp-gpuspawner-row">
        <span>{row.device.toUpperCase()}</span>
        <span>
          {share === undefined ? text : trans.__('%1, %2 of peak', text, percent(share))}
        </span>
      </p>
      <RowBar row={row} group={group} value={row.value} others={others?.median} />
      {beside.length > 0 && <p className="jp-gpuspawner-note">{beside.join(' · ')}</p>}
    </>
  );
}

function amountOf(row: Row, value: number): string {
  return row.unit === 'share'
    ? `${(value * 100).toFixed(2)} %`
    : `${figure(value)} ${row.unit === 'x' ? '×' : row.unit}`;
}

/** Shares are drawn as such, rates of what the chip can do, or else of the fastest of their kind; a
 * time or a ratio has no whole. A mark stands where the class's median is. */
function RowBar(properties: {
  row: Row;
  group: Row[];
  value: number;
  others?: number;
}): React.ReactElement | null {
  const { row, group, value, others } = properties;
  if (row.unit === 's' || row.unit === 'x') {
    return null;
  }
  const peak = group.find(one => one.peak)?.peak;
  const most = row.unit === 'share' ? 1 : (peak ?? Math.max(...group.map(one => one.value ?? 0)));
  const mark = others === undefined ? undefined : others / most;
  return <Bar share={value / most} quiet={row.device !== 'gpu'} mark={mark} />;
}
