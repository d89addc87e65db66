// The panel's third part: how it stands with the GPU.

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { Bar, Plot } from './plot.tsx';
import type { Framework, GpuDevice, GpuProcess, GpuReport, Point } from './reports.ts';
import { gibibytes, type Language, percent, said } from './words.ts';

/** How far back the lines go. */
const SECONDS = 600;

/** The upper edge of the temperature's drawing: GPUs slow down well before. */
const HOTTEST = 100;

const NAMES: Record<string, string> = { tensorflow: 'TensorFlow', torch: 'PyTorch', jax: 'JAX' };

interface Common {
  trans: TranslationBundle;
}

export function GpuPart(
  properties: Common & { gpu: GpuReport; language: Language }
): React.ReactElement {
  const { gpu, language, trans } = properties;
  const versions = [
    gpu.driver_version && trans.__('driver %1', gpu.driver_version),
    gpu.cuda_version && `CUDA ${gpu.cuda_version}`
  ].filter(Boolean);
  return (
    <section aria-labelledby="jp-gpuspawner-gpu">
      <h2 id="jp-gpuspawner-gpu">{trans.__('GPU')}</h2>
      <p className={gpu.status === 'ok' ? undefined : 'jp-gpuspawner-attention'}>
        {said(gpu.sentence, language)}
      </p>
      {gpu.detail && <p className="jp-gpuspawner-note">{gpu.detail}</p>}
      {gpu.devices.map(device => (
        <Device
          key={device.uuid ?? device.index}
          device={device}
          points={gpu.history[device.uuid ?? String(device.index)] ?? []}
          trans={trans}
        />
      ))}
      {gpu.frameworks && <Frameworks found={gpu.frameworks} trans={trans} />}
      {gpu.devices.length > 0 && versions.length > 0 && (
        <p className="jp-gpuspawner-note">{versions.join(', ')}</p>
      )}
    </section>
  );
}

function Device(properties: Common & { device: GpuDevice; points: Point[] }): React.ReactElement {
  const { device, points, trans } = properties;
  const name = device.name ?? trans.__('GPU %1', `${device.index}`);
  // The memory of a GPU that is cut into slices is told by its slices.
  const whole = device.mig_enabled && device.mig_of === null;
  return (
    <div className="jp-gpuspawner-device">
      <h3>{device.mig_of === null ? name : trans.__('Slice: %1', name)}</h3>
      <div className="jp-gpuspawner-plots">
        <Lines device={device} points={points} trans={trans} />
      </div>
      {!whole && <Memory device={device} trans={trans} />}
      {device.throttled && device.throttled.length > 0 && (
        <p className="jp-gpuspawner-note">
          {trans.__('Its clock is held back: %1', device.throttled.join(', '))}
        </p>
      )}
    </div>
  );
}

function Lines(properties: Common & { device: GpuDevice; points: Point[] }): React.ReactElement {
  const { device, points, trans } = properties;
  const of = (read: (point: Point) => number | null): [number, number | null][] =>
    points.map(point => [point.at, read(point)]);
  const powers = points.map(point => point.power_watts ?? 0);
  const plots = [
    {
      title: trans.__('Utilisation'),
      points: of(point => point.utilization),
      top: 1,
      write: percent
    },
    {
      title: trans.__('Memory'),
      points: of(point => point.memory_used_bytes),
      top: device.memory_total_bytes || 1,
      write: gibibytes
    },
    {
      title: trans.__('Power'),
      points: of(point => point.power_watts),
      top: device.power_limit_watts || Math.max(...powers, 1),
      write: (value: number) => `${Math.round(value)} W`
    },
    {
      title: trans.__('Temperature'),
      points: of(point => point.temperature_celsius),
      top: HOTTEST,
      write: (value: number) => `${Math.round(value)} °C`
    }
  ];
  return (
    <>
      {plots.map(plot => (
        <Plot
          key={plot.title}
          {...plot}
          seconds={SECONDS}
          tell={(least, most) =>
            trans.__('%1 in the last ten minutes: %2 to %3', plot.title, least, most)
          }
        />
      ))}
    </>
  );
}

function Memory(properties: Common & { device: GpuDevice }): React.ReactElement | null {
  const { device, trans } = properties;
  const { memory_used_bytes: used, memory_total_bytes: total, processes } = device;
  return (
    <>
      {used !== null && total !== null && total > 0 && (
        <>
          <p className="jp-gpuspawner-row">
            <span>{trans.__('Memory in use')}</span>
            <span>{trans.__('%1 of %2', gibibytes(used), gibibytes(total))}</span>
          </p>
          <Bar share={used / total} />
        </>
      )}
      {processes && processes.length > 0 && (
        <ul aria-label={trans.__('Who holds memory')}>
          {processes.map(process => (
            <li key={process.pid} className="jp-gpuspawner-row">
              <span title={trans.__('process %1', `${process.pid}`)}>{nameOf(process, trans)}</span>
              <span>
                {process.memory_bytes === null ? '–' : gibibytes(process.memory_bytes)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function nameOf(process: GpuProcess, trans: TranslationBundle): string {
  return process.notebook || process.name || trans.__('process %1', `${process.pid}`);
}

function Frameworks(
  properties: Common & { found: Record<string, Framework> }
): React.ReactElement | null {
  const { found, trans } = properties;
  const installed = Object.entries(found).filter(([, one]) => one.installed || one.error);
  if (installed.length === 0) {
    return null;
  }
  return (
    <ul aria-label={trans.__('Frameworks')}>
      {installed.map(([name, one]) => (
        <li key={name} className="jp-gpuspawner-row" title={one.error ?? undefined}>
          <span>
            {NAMES[name] ?? name} {one.version}
          </span>
          <span className={one.sees_gpu ? undefined : 'jp-gpuspawner-attention'}>
            {one.sees_gpu
              ? trans.__('sees the GPU')
              : one.error
                ? trans.__('does not start')
                : trans.__('does not see the GPU')}
          </span>
        </li>
      ))}
    </ul>
  );
}
