// What is known, asked for by one stream of requests for all widgets; they only read.

import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { type Api, Refused } from './api.ts';
import type {
  Comparison,
  CourseReport,
  Granted,
  GpuReport,
  Results,
  Run,
  Said,
  SessionReport,
  StorageReport
} from './reports.ts';
import { Ticker } from './ticker.ts';

const VISIBLE_SECONDS = 5;
const HIDDEN_SECONDS = 15;
const LONGEST_SECONDS = 60;
const STORAGE_SECONDS = 30;

/** What JupyterHub and its proxy answer in the place of a server that has gone. */
const GONE = [424, 502, 503, 504];

export class LabModel {
  session: SessionReport | null = null;
  gpu: GpuReport | null = null;
  /** What came when the server started; it does not change after. */
  course: CourseReport | null = null;
  runs: Run[] = [];
  results: Results | null = null;
  /** The results that were compared with the class, by their ids; null while one is asked about. */
  readonly comparisons = new Map<string, Comparison | null>();
  /** Whether the server answered when it was asked last. */
  reachable = true;
  storage: StorageReport | null = null;
  /** What the last press of a button of the benchmark's was refused with. */
  refusal: Said | null = null;

  private readonly _api: Api;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _ticked = new Signal<this, void>(this);
  private readonly _poll: Poll;
  private readonly _ticker: Ticker;
  private _panel = false;
  private _asked = 0;
  private _storedAt = 0;

  constructor(api: Api) {
    this._api = api;
    this._poll = new Poll({
      name: 'gpuspawner-labs',
      standby: 'never',
      frequency: {
        interval: VISIBLE_SECONDS * 1000,
        backoff: true,
        max: LONGEST_SECONDS * 1000
      },
      factory: () => this._ask()
    });
    this._ticker = new Ticker(VISIBLE_SECONDS, this._tick);
    document.addEventListener('visibilitychange', this._turned);
    this._turned();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Every few seconds, also in a hidden page. */
  get ticked(): ISignal<this, void> {
    return this._ticked;
  }

  /** Whether an agent speaks for this machine, so that there is a session to tell of. */
  get managed(): boolean {
    return this.session !== null && this.session.managed !== false;
  }

  /** The run that is under way. */
  get running(): Run | null {
    return this.runs.find(one => one.state === 'running') ?? null;
  }

  /** Whether the panel is seen: benchmarks and results are asked for only then. */
  set panel(seen: boolean) {
    const opened = seen && !this._panel;
    this._panel = seen;
    if (opened) {
      this.comparisons.clear(); // the class goes on measuring
      void this._benchmarks().then(() => this._changed.emit(), () => undefined);
    }
  }

  refresh(): Promise<void> {
    return this._poll.refresh();
  }

  /** What a button's request has changed is known before the next report. */
  granted(answer: Granted): void {
    if (this.session) {
      const old = this.session.session;
      this.session = {
        ...this.session,
        verdict: 'keep',
        reason: null,
        sentence: null,
        deadline: answer.until ?? this.session.deadline,
        session: old && {
          ...old,
          because: answer.because ?? old.because,
          extensions_left: answer.extensions_left ?? old.extensions_left
        }
      };
      this._changed.emit();
    }
  }

  async startBenchmark(scale: string): Promise<void> {
    await this._pressed(this._api.start(scale));
  }

  async cancelBenchmark(run: string): Promise<void> {
    await this._pressed(this._api.cancel(run));
  }

  /** Compare a result with the class, once for each time that the panel is opened. */
  async compare(result: string): Promise<void> {
    if (!this.managed || this.comparisons.has(result)) {
      return;
    }
    this.comparisons.set(result, null);
    try {
      this.comparisons.set(result, await this._api.compare(result));
      this._changed.emit();
    } catch {
      // It is asked again when the panel is opened the next time.
    }
  }

  dispose(): void {
    document.removeEventListener('visibilitychange', this._turned);
    this._ticker.dispose();
    this._poll.dispose();
    Signal.clearData(this);
  }

  private async _pressed(request: Promise<unknown>): Promise<void> {
    this.refusal = null;
    try {
      await request;
    } catch (error) {
      this.refusal = (error instanceof Refused && error.sentence) || null;
    }
    await this._benchmarks();
    this._changed.emit();
  }

  private async _ask(): Promise<void> {
    this._asked = Date.now();
    try {
      this.session = await this._api.session();
      this.reachable = true;
      if (!document.hidden) {
        this.course ??= await this._api.course();
        this.gpu = await this._api.gpu();
        if (this._asked - this._storedAt > STORAGE_SECONDS * 1000) {
          this.storage = await this._api.storage();
          this._storedAt = this._asked;
        }
        if (this._panel && (this.running || this.results === null)) {
          await this._benchmarks();
        }
      }
    } catch (error) {
      this.reachable = error instanceof Refused && !GONE.includes(error.status);
      throw error; // so that the next request comes later
    } finally {
      this._changed.emit();
    }
  }

  private async _benchmarks(): Promise<void> {
    const before = this.running;
    this.runs = await this._api.runs();
    if (this.results === null || (before && !this.running)) {
      this.results = await this._api.results();
    }
  }

  private readonly _tick = (): void => {
    // A visible page's own timer is good enough, and knows when to ask less often.
    const due = Date.now() - this._asked >= HIDDEN_SECONDS * 1000;
    if (document.hidden && due && this._poll.state.phase === 'resolved') {
      void this._poll.refresh();
    }
    this._ticked.emit();
  };

  private readonly _turned = (): void => {
    const seconds = document.hidden ? HIDDEN_SECONDS : VISIBLE_SECONDS;
    this._poll.frequency = { ...this._poll.frequency, interval: seconds * 1000 };
    if (!document.hidden) {
      void this._poll.refresh();
    }
  };
}
