// A line over the last minutes, as SVG draws it. Pure.

export interface Series {
  /** The line; more than one stroke where values are missing between. */
  line: string;
  area: string;
  least: number;
  most: number;
  now: number;
}

/**
 * @param points - moments in seconds and values, oldest first; null where there is none
 * @param top - the value at the upper edge
 * @param width - of the drawing
 * @param height - of the drawing
 * @param seconds - how far back the left edge is
 * @returns null when there is no value at all
 */
export function series(
  points: [number, number | null][],
  top: number,
  width: number,
  height: number,
  seconds: number
): Series | null {
  const known = points.flatMap(([, value]) => (value === null ? [] : [value]));
  if (known.length === 0) {
    return null;
  }
  const end = points[points.length - 1][0];
  const x = (at: number) => round(width - ((end - at) / seconds) * width);
  const y = (value: number) => round(height - (Math.min(Math.max(value, 0), top) / top) * height);
  const strokes: [number, number][][] = [[]];
  for (const [at, value] of points) {
    if (value === null) {
      strokes.push([]);
    } else if (end - at <= seconds) {
      strokes[strokes.length - 1].push([x(at), y(value)]);
    }
  }
  const drawn = strokes.filter(one => one.length > 0);
  const line = drawn.map(one => `M${one.map(([a, b]) => `${a},${b}`).join('L')}`).join('');
  const area = drawn
    .map(one => {
      const path = one.map(([a, b]) => `${a},${b}`).join('L');
      return `M${one[0][0]},${height}L${path}L${one[one.length - 1][0]},${height}Z`;
    })
    .join('');
  return {
    line,
    area,
    least: Math.min(...known),
    most: Math.max(...known),
    now: known[known.length - 1]
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
