// What the server's extension answers. `docs/lab.md` and `docs/explain/protocols.md` say what each
// field means; null is "not known", never 0.

import type { PartialJSONObject } from '@lumino/coreutils';

/** A sentence for people, by language. */
export interface Said {
  en: string;
  ko: string;
}

export type Mode =
  | 'active'
  | 'working'
  | 'idle'
  | 'no_show'
  | 'held'
  | 'starting'
  | 'unknown';

export interface Balance {
  /** Millionths of `unit`. */
  micros: number;
  unit: string;
  /** What an hour of this machine is charged, in millionths of `unit`. */
  per_hour_micros?: number | null;
  /** For how long it pays for all that is on, until the stop. */
  runs_for_seconds?: number | null;
}

export interface SessionReport {
  managed?: boolean;
  verdict?: string | null;
  reason?: string | null;
  sentence?: Said | null;
  /** ISO 8601. */
  deadline?: string | null;
  /** Until the machine gives up on a controller that it cannot reach. */
  seconds_left?: number | null;
  balance?: Balance | null;
  session?: {
    mode: Mode;
    because?: Said | null;
    extensions_left?: number | null;
    /** What a click on *Keep running* gives. */
    extension_seconds?: number | null;
    lease_until?: string | null;
    save?: string | null;
  } | null;
  server_time: string;
  claim?: string | null;
  generation?: number | null;
  hub_prefix?: string | null;
}

/** What a button's request is answered with. */
export interface Granted {
  until?: string | null;
  because?: Said | null;
  extensions_left?: number | null;
}

export type FileState = 'new' | 'updated' | 'kept' | 'current' | 'deleted' | 'failed';

/** What became of one file of the course when the server started. */
export interface CourseFile {
  /** Below the home. */
  path: string;
  state: FileState;
  /** The course's version, where the student's own was kept. */
  beside: string | null;
}

export interface CourseReport {
  /** Null where no course is delivered. */
  folder: string | null;
  /** Whether the paths are those of the file browser. */
  in_browser?: boolean;
  commit?: string | null;
  problem?: Said | null;
  files: CourseFile[];
}

export interface StorageReport {
  home: { total_bytes: number; free_bytes: number } | null;
  /** What is gone when the machine stops. */
  temporary: { path: string; bytes: number }[];
  temporary_sentence: Said | null;
  notes: Said[];
}

export interface GpuProcess {
  pid: number;
  name: string | null;
  memory_bytes: number | null;
  notebook?: string | null;
}

export interface GpuDevice {
  index: number;
  uuid: string | null;
  name: string | null;
  mig_of: string | null;
  mig_enabled: boolean | null;
  /** 0 to 1. */
  utilization: number | null;
  memory_used_bytes: number | null;
  memory_total_bytes: number | null;
  power_watts: number | null;
  power_limit_watts: number | null;
  temperature_celsius: number | null;
  throttled: string[] | null;
  processes: GpuProcess[] | null;
}

export interface Point {
  /** Seconds since 1970. */
  at: number;
  utilization: number | null;
  memory_used_bytes: number | null;
  power_watts: number | null;
  temperature_celsius: number | null;
}

export interface Framework {
  installed: boolean | null;
  version: string | null;
  sees_gpu: boolean | null;
  error: string | null;
}

export interface GpuReport {
  status: string;
  sentence: Said;
  detail: string | null;
  driver_version: string | null;
  cuda_version: string | null;
  devices: GpuDevice[];
  frameworks: Record<string, Framework> | null;
  history: Record<string, Point[]>;
}

export interface Row {
  id: string;
  device: string;
  status: string;
  value?: number | null;
  unit?: string;
  /** What the chip can do, in the same unit. */
  peak?: number;
  fraction_of_peak?: number;
  noisy?: boolean;
  title?: Said;
  sentence?: Said;
}

export interface Run {
  id: string;
  scale: string;
  /** Seconds since 1970. */
  started: number;
  state: 'running' | 'finished' | 'cancelled' | 'failed';
  now: { id: string; device: string; title?: Said } | null;
  results: Row[];
}

export interface Result {
  id: string;
  /** ISO 8601. */
  started: string;
  status: string;
  device: { name: string | null } | null;
  config: { scale: string; backend: string };
  results: Row[];
}

export interface Results {
  results: Result[];
  refused: { file: string; reason: string }[];
}

/** A result beside those of the class, which say of themselves what they measured. */
export interface Comparison {
  compared: boolean;
  /** Why it is not compared. */
  sentence: Said | null;
  /** Of fewer people's figures no median is told. */
  least: number | null;
  /** Of the rows with this `id` and `device`. */
  medians: { id: string; device: string; median: number; count: number }[];
}

/** An output of a cell, as a notebook has it. */
export type Output = PartialJSONObject & { output_type: string };

/** What a page is to show of cells that it has not run itself, or not heard to the end. */
export interface OutputNews {
  /** To be asked for with, next time. */
  version: number;
  /** Whether there is more to come. */
  coming: boolean;
  /** The file's hash before the server put outputs into it, and now. */
  rewritten: { from: string; to: string } | null;
  cells: CellNews[];
}

export interface CellNews {
  id: string;
  source: string;
  /** The id of the request that ran it. */
  request: string;
  outputs: Output[];
  execution_count: number | null;
  finished: boolean;
}
