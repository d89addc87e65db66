// Drawings. Each says in words what it shows, for those who cannot see it.

import * as React from 'react';

import { series } from './series.ts';

const WIDTH = 120;
const HEIGHT = 32;

export interface PlotProperties {
  title: string;
  points: [number, number | null][];
  top: number;
  seconds: number;
  write: (value: number) => string;
  /** What the drawing shows, given the least and the most. */
  tell: (least: string, most: string) => string;
}

/** A value now, and its line over the last minutes. Nothing when it was never reported. */
export function Plot(properties: PlotProperties): React.ReactElement | null {
  const { title, points, top, seconds, write, tell } = properties;
  const drawn = series(points, top, WIDTH, HEIGHT, seconds);
  if (drawn === null) {
    return null;
  }
  return (
    <figure className="jp-gpuspawner-plot">
      <figcaption>
        <span>{title}</span>
        <strong>{write(drawn.now)}</strong>
      </figcaption>
      <svg
        role="img"
        aria-label={tell(write(drawn.least), write(drawn.most))}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
      >
        <path className="jp-gpuspawner-area" d={drawn.area} />
        <path className="jp-gpuspawner-line" d={drawn.line} vectorEffect="non-scaling-stroke" />
      </svg>
    </figure>
  );
}

/** A share of a whole, beside the words that say it; with `mark`, where the others are. */
export function Bar(properties: {
  share: number;
  quiet?: boolean;
  mark?: number;
}): React.ReactElement {
  const { share, quiet, mark } = properties;
  return (
    <div className={`jp-gpuspawner-bar${quiet ? ' jp-mod-quiet' : ''}`} aria-hidden="true">
      <div style={{ width: width(share) }} />
      {mark !== undefined && <span style={{ left: width(mark) }} />}
    </div>
  );
}

function width(share: number): string {
  return `${Math.min(Math.max(share, 0), 1) * 100}%`;
}
