// How people read numbers, amounts and moments. Pure.

import type { Balance, GpuReport, Said, SessionReport } from './reports.ts';

/** The part of JupyterLab's translation bundle that is used here. */
export interface Translate {
  __(text: string, ...values: string[]): string;
}

export type Language = 'en' | 'ko';

/** The language of the reader, of those that the server's sentences have. */
export function languageOf(code: string): Language {
  return code.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

/** A server's sentence in the reader's language. */
export function said(sentence: Said | null | undefined, language: Language): string {
  return sentence ? sentence[language] || sentence.en || '' : '';
}

const SIGNS: Record<string, string> = { USD: '$', KRW: '₩', EUR: '€', GBP: '£', JPY: '¥' };
const WHOLE = ['KRW', 'JPY'];

/**
 * An amount of credit, rounded down as on the hub's pages: nobody is promised what is not there.
 * A price has as many further places as it is written with there.
 */
export function amount(micros: number, unit: string, trans: Translate, further = 0): string {
  const places = (WHOLE.includes(unit) ? 0 : 2) + further;
  const step = 10 ** (6 - places);
  const whole = Math.floor(micros / step) / 10 ** places;
  const number = Math.abs(whole).toLocaleString('en', {
    minimumFractionDigits: places,
    maximumFractionDigits: places
  });
  const sign = whole < 0 ? '-' : '';
  if (unit in SIGNS) {
    return `${sign}${SIGNS[unit]}${number}`;
  }
  if (unit === 'credit') {
    return trans.__('%1 credits', sign + number);
  }
  if (unit === 'gpu_hour') {
    return trans.__('%1 GPU hours', sign + number);
  }
  return `${sign}${number} ${unit}`;
}

/** For how long the balance pays, in seconds, as the hub's pages say it: above an hour in steps of five minutes, rounded down; null when that is not known or nothing limits it. */
export function lasts(balance: Balance): number | null {
  const seconds = balance.runs_for_seconds ?? null;
  return seconds !== null && seconds >= 3600 ? seconds - (seconds % 300) : seconds;
}

/** A length of time, rounded down. */
export function span(seconds: number, trans: Translate): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) {
    return trans.__('%1 h %2 min', `${Math.floor(minutes / 60)}`, `${minutes % 60}`);
  }
  return minutes > 0
    ? trans.__('%1 min', `${minutes}`)
    : trans.__('%1 s', `${Math.max(0, Math.floor(seconds))}`);
}

/** The button that gives more time: how much is the administrator's to say. */
export function keepLabel(report: SessionReport | null, trans: Translate): string {
  const seconds = report?.session?.extension_seconds;
  return seconds
    ? trans.__('Keep running +%1', span(seconds, trans))
    : trans.__('Keep running');
}

/** A moment on the reader's clock, with the day when it is more than 20 hours away. */
export function moment(at: number, now: number, language: Language, zone?: string): string {
  const time: Intl.DateTimeFormatOptions = {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: zone
  };
  const day: Intl.DateTimeFormatOptions =
    Math.abs(at - now) > 20 * 3600_000 ? { month: 'short', day: 'numeric' } : {};
  return new Date(at).toLocaleString(language, { ...day, ...time });
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** Four digits, as a person would write them. */
export function figure(value: number): string {
  const digits = Math.max(0, 4 - Math.max(1, Math.floor(Math.log10(Math.abs(value) || 1)) + 1));
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(digits, 3) });
}

/** When the machine stops if nothing changes, in milliseconds since 1970 by the server's clock. */
export function stopsAt(report: SessionReport): number | null {
  if (report.deadline) {
    const at = Date.parse(report.deadline);
    return Number.isFinite(at) ? at : null;
  }
  return report.seconds_left === null || report.seconds_left === undefined
    ? null
    : Date.parse(report.server_time) + report.seconds_left * 1000;
}

/** Why it stops then, in a few words; empty when the reason has none. */
export function why(report: SessionReport, trans: Translate): string {
  switch (report.reason ?? report.session?.mode) {
    case 'idle':
      return trans.__('nobody is using it');
    case 'no_show':
      return trans.__('nobody has opened it yet');
    case 'work_done':
      return trans.__('its work is done');
    case 'unattended':
      return trans.__('nobody has looked after it for long');
    case 'longest_session':
      return trans.__('one session lasts no longer');
    case 'nightly_stop':
      return trans.__('all machines stop for the night');
    case 'credit':
      return trans.__('the credit ends');
    case 'limit':
      return trans.__('the limit for today');
    case 'user':
      return trans.__('you asked for it');
    case 'unreachable':
    case 'disowned':
      return trans.__('the hub cannot be reached');
    default:
      return '';
  }
}

/** What the machine does, for the panel. */
export function mode(report: SessionReport, trans: Translate): string {
  if (report.verdict === 'save_and_stop' || report.verdict === 'stop_now') {
    return trans.__('Stopping');
  }
  switch (report.session?.mode) {
    case 'active':
      return trans.__('In use');
    case 'working':
      return trans.__('Working');
    case 'idle':
      return trans.__('Not in use');
    case 'no_show':
      return trans.__('Waiting for you');
    case 'held':
      return trans.__('Kept running');
    case 'starting':
      return trans.__('Starting');
    default:
      return trans.__('Running');
  }
}

/** One line on the GPU. */
export function gpuWords(gpu: GpuReport, trans: Translate): string {
  if (gpu.devices.length === 0) {
    return gpu.status === 'no_device' || gpu.status === 'no_driver'
      ? trans.__('No GPU')
      : trans.__('GPU: look here');
  }
  if (gpu.status !== 'ok') {
    return trans.__('GPU: look here');
  }
  const used = gpu.devices.map(one => one.utilization).filter(one => one !== null);
  if (used.length > 0) {
    return trans.__('GPU %1', percent(used.reduce((a, b) => a + b, 0) / used.length));
  }
  const held = gpu.devices.filter(one => one.memory_used_bytes !== null && one.memory_total_bytes);
  const total = held.reduce((sum, one) => sum + (one.memory_total_bytes ?? 0), 0);
  const sum = held.reduce((sum, one) => sum + (one.memory_used_bytes ?? 0), 0);
  return total ? trans.__('GPU memory %1', percent(sum / total)) : trans.__('GPU');
}

/** The status bar's line: the nearest stop and why, the GPU, the balance. */
export function statusLine(
  report: SessionReport | null,
  gpu: GpuReport | null,
  trans: Translate,
  language: Language,
  zone?: string
): string {
  const parts: string[] = [];
  if (report?.managed !== false && report) {
    const at = stopsAt(report);
    if (report.verdict === 'save_and_stop' || report.verdict === 'stop_now') {
      parts.push(trans.__('stopping now'));
    } else if (at !== null) {
      const when = moment(at, Date.parse(report.server_time), language, zone);
      const reason = why(report, trans);
      parts.push(reason ? trans.__('stops %1: %2', when, reason) : trans.__('stops %1', when));
    }
  }
  if (gpu) {
    parts.push(gpuWords(gpu, trans));
  }
  if (report?.balance) {
    parts.push(amount(report.balance.micros, report.balance.unit, trans));
  }
  return parts.join(' · ');
}
