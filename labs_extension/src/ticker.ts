// A clock that goes on in a page that nobody looks at. Browsers slow the timers of a hidden page down
// to one a minute, which is too slow to save when a machine stops; a worker's are left alone.

export class Ticker {
  private readonly _end: () => void;

  constructor(seconds: number, tick: () => void) {
    const code = `setInterval(() => postMessage(0), ${seconds * 1000})`;
    try {
      const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
      const worker = new Worker(url);
      worker.onmessage = tick;
      this._end = () => {
        worker.terminate();
        URL.revokeObjectURL(url);
      };
    } catch {
      // A site may forbid workers; then a hidden page is a slow one.
      const timer = setInterval(tick, seconds * 1000);
      this._end = () => clearInterval(timer);
    }
  }

  dispose(): void {
    this._end();
  }
}
