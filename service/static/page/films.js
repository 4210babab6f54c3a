/** Decoded films, the few seen last: a film is 4 to 8 MB, and going back to one should be instant. */

import { decodedFilm } from "./api.js";
import { patiently } from "./patience.js";

const KEPT = 6;

export class Films {
  #kept = new Map(); // entry: film; in the order of their last use

  /** The film of an entry; rejects with a Problem, or when `signal` says that nobody looks at it any more. */
  async of(entry, signal) {
    const film = this.#kept.get(entry) ?? (await patiently(() => decodedFilm(entry.file, signal), { signal, waiting: () => undefined }));
    this.#kept.delete(entry);
    this.#kept.set(entry, film);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return film;
  }
}
