// Which warning is due, and whether it is news. Pure.
//
// There is one for each step before a stop, so that nobody is asked twice about the same thing: what
// was dismissed stays so until the next step, and what has become untrue is taken back.

import type { Said, SessionReport } from './reports.ts';
import { stopsAt } from './words.ts';

/** Seconds before the stop at which a warning is news. */
export const STEPS = [1800, 600, 120];

/** Two deadlines this close are one: an estimate moves a little. In milliseconds. */
const CLOSE = 90_000;

export interface Due {
  reason: string;
  sentence: Said | null;
  /** Milliseconds since 1970 by the server's clock; null while it stops. */
  at: number | null;
  step: number;
  /** Whether the controller can be asked for more time. */
  reachable: boolean;
}

export interface Memory {
  due: Due | null;
  showing: boolean;
  dismissed: boolean;
}

export type Act = 'show' | 'withdraw' | 'nothing';

export const NOTHING: Memory = { due: null, showing: false, dismissed: false };

/** The warning that the report calls for. */
export function dueOf(report: SessionReport | null): Due | null {
  if (!report || report.managed === false) {
    return null;
  }
  const reason = report.reason ?? '';
  const sentence = report.sentence ?? null;
  const reachable = reason !== 'unreachable' && reason !== 'disowned';
  if (report.verdict === 'save_and_stop' || report.verdict === 'stop_now') {
    return { reason, sentence, at: null, step: 0, reachable };
  }
  const at = stopsAt(report);
  // A reason beside `keep` is the credit's warning: the rest says `warn`.
  const warns = report.verdict === 'warn' || (report.verdict === 'keep' && report.sentence);
  if (!warns || at === null) {
    return null;
  }
  const left = (at - Date.parse(report.server_time)) / 1000;
  const step = Math.min(...STEPS.filter(one => left <= one), Infinity);
  return Number.isFinite(step) ? { reason, sentence, at, step, reachable } : null;
}

/** What to do about it, and what to remember. */
export function follow(memory: Memory, due: Due | null): [Memory, Act] {
  if (due === null) {
    return [{ ...memory, showing: false }, memory.showing ? 'withdraw' : 'nothing'];
  }
  if (memory.due !== null && same(memory.due, due)) {
    const quiet = memory.showing || memory.dismissed;
    return [{ ...memory, due, showing: memory.showing || !quiet }, quiet ? 'nothing' : 'show'];
  }
  return [{ due, showing: true, dismissed: false }, 'show'];
}

function same(one: Due, other: Due): boolean {
  const near =
    one.at === null || other.at === null
      ? one.at === other.at
      : Math.abs(one.at - other.at) < CLOSE;
  return near && one.reason === other.reason && one.step === other.step;
}

/** As many whole sentences of `text` as fit into `most` characters, at least the first. */
export function fitting(text: string, most: number): string {
  const sentences = text.match(/[^.!?]+(?:[.!?]+(?!\s)[^.!?]*)*[.!?]*\s*/g) ?? [text];
  let result = sentences[0];
  for (const one of sentences.slice(1)) {
    if ((result + one).trimEnd().length > most) {
      break;
    }
    result += one;
  }
  return result.trimEnd();
}
