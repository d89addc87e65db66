// The requests to the server's extension. None counts as activity, unless the server says that it is
// a person's act: a page that polls must not keep a machine alive that costs money.

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type {
  Comparison,
  CourseReport,
  Granted,
  GpuReport,
  OutputNews,
  Result,
  Results,
  Run,
  Said,
  SessionReport,
  StorageReport
} from './reports.ts';

/** An answer that is not what was asked for. `sentence` is the server's, for people. */
export class Refused extends Error {
  readonly status: number;
  readonly sentence: Said | null;

  constructor(status: number, sentence: Said | null) {
    super(`status ${status}`);
    this.status = status;
    this.sentence = sentence;
  }
}

export class Api {
  private readonly _settings: ServerConnection.ISettings;

  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  /** Null where the server's extension has no session, so that the rest of the panel works. */
  async session(): Promise<SessionReport | null> {
    try {
      return await this._ask<SessionReport>('session');
    } catch (error) {
      if (error instanceof Refused && error.status === 404) {
        return null;
      }
      throw error;
    }
  }

  press(button: 'keep' | 'lease' | 'stop'): Promise<Granted> {
    return this._ask<Granted>(`session/${button}`, 'POST', {});
  }

  saved(id: string, request: string, documents: number, failed: string[]): Promise<void> {
    return this._ask('session/saved', 'POST', { id, request, documents, failed });
  }

  /** `closed` is sent by a page that goes away; the browser finishes the request without it. */
  tab(id: string, visible: boolean, unsaved: number, closed = false): Promise<void> {
    const body = closed ? { id, visible, unsaved, closed } : { id, visible, unsaved };
    return this._ask('session/tab', 'POST', body, closed);
  }

  course(): Promise<CourseReport> {
    return this._ask<CourseReport>('course');
  }

  storage(): Promise<StorageReport> {
    return this._ask<StorageReport>('storage');
  }

  /** Null where the server keeps no outputs. */
  async outputs(
    session: string,
    kernel: string,
    page: string,
    after: number
  ): Promise<OutputNews | null> {
    const query = new URLSearchParams({ session, kernel, page, after: String(after) });
    try {
      return await this._ask<OutputNews>('outputs', 'GET', undefined, false, query);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) {
        return null;
      }
      throw error;
    }
  }

  gpu(): Promise<GpuReport> {
    return this._ask<GpuReport>('gpu');
  }

  async runs(): Promise<Run[]> {
    return (await this._ask<{ benchmarks: Run[] }>('benchmarks')).benchmarks;
  }

  start(scale: string): Promise<Run> {
    return this._ask<Run>('benchmarks', 'POST', { scale });
  }

  cancel(run: string): Promise<Run> {
    return this._ask<Run>(`benchmarks/${encodeURIComponent(run)}`, 'DELETE');
  }

  async results(): Promise<Results & { results: Result[] }> {
    return this._ask<Results>('results');
  }

  compare(result: string): Promise<Comparison> {
    return this._ask<Comparison>(`results/${encodeURIComponent(result)}/class`, 'POST', {});
  }

  private async _ask<T>(
    path: string,
    method = 'GET',
    body?: unknown,
    keepalive = false,
    query = new URLSearchParams()
  ): Promise<T> {
    const url = URLExt.join(this._settings.baseUrl, 'gpuspawner/api', path);
    query.set('no_track_activity', '1');
    const response = await ServerConnection.makeRequest(
      `${url}?${query}`,
      { method, keepalive, ...(body === undefined ? {} : { body: JSON.stringify(body) }) },
      this._settings
    );
    const text = await response.text();
    if (!response.ok) {
      throw new Refused(response.status, sentenceIn(text));
    }
    return (text ? JSON.parse(text) : undefined) as T;
  }
}

/** The sentence of a refusal; what the controller says has its values apart. */
function sentenceIn(text: string): Said | null {
  try {
    const found = JSON.parse(text).sentence;
    if (typeof found?.en === 'string') {
      return found;
    }
    if (typeof found?.message === 'string') {
      const filled = found.message.replace(/\{(\w+)\}/g, (whole: string, name: string) =>
        String(found.values?.[name] ?? whole)
      );
      return { en: filled, ko: filled };
    }
  } catch {
    // A page of the proxy's, perhaps.
  }
  return null;
}
