// Saving all open documents, with the failures named. Pure: a document is what it is told.

/** An open document. */
export interface OpenDocument {
  path: string;
  dirty: boolean;
  save(): Promise<void>;
}

export interface Saved {
  documents: number;
  failed: string[];
}

/**
 * Save what has changed, each document within `patience` milliseconds.
 *
 * A save that asks a question on the screen may wait for ever, and a machine that stops does not.
 */
export async function saveAll(open: OpenDocument[], patience: number): Promise<Saved> {
  const changed = open.filter(one => one.dirty);
  const failed = await Promise.all(
    changed.map(one => within(one.save(), patience).then(() => null, () => one.path))
  );
  const names = failed.filter(one => one !== null);
  return { documents: changed.length - names.length, failed: names };
}

async function within(work: Promise<void>, patience: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it took too long')), patience);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
