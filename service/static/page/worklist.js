/** The films of this visit and what became of each: read in their order, one at a time. Knows nothing of elements. */

import { explain } from "./api.js";
import { patiently } from "./patience.js";

export class WorkList extends EventTarget {
  entries = [];
  selected = null;
  #isRunning = false;

  /** Dispatches "select" when another film is chosen and "change" with `detail` an entry whose state is new. */
  add(files) {
    const added = [...files].map((file) => ({ file, name: file.name, state: "waiting", answer: null, problem: null, againInS: null, controller: null }));
    this.entries.push(...added);
    if (added.length > 0) this.select(added[0]);
    this.#run();
  }

  select(entry) {
    this.selected = entry;
    this.dispatchEvent(new Event("select"));
  }

  /** The film so many places further; the ends are ends. */
  step(places) {
    const index = this.entries.indexOf(this.selected) + places;
    if (index in this.entries) this.select(this.entries[index]);
  }

  cancel(entry) {
    if (entry.state === "waiting") this.#set(entry, { state: "cancelled" });
    entry.controller?.abort();
  }

  retry(...entries) {
    for (const entry of entries) this.#set(entry, { state: "waiting", problem: null });
    this.#run();
  }

  /** Films that wait for a key. */
  get locked() {
    return this.entries.filter(({ problem }) => problem?.status === 401);
  }

  /** Explain another finding of a film that was answered. */
  async ask(entry, finding) {
    await this.#read(entry, finding);
    this.#run();
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (;;) {
      const entry = this.entries.find(({ state }) => state === "waiting");
      if (entry === undefined) break;
      await this.#read(entry, null);
    }
    this.#isRunning = false;
  }

  async #read(entry, finding) {
    entry.controller?.abort(); // an older question about the same film
    const controller = new AbortController();
    const { signal } = controller;
    this.#set(entry, { state: "reading", problem: null, controller });
    const waiting = (againInS, problem) => this.#set(entry, { state: "busy", againInS, problem });
    const attempt = () => {
      this.#set(entry, { state: "reading", problem: null });
      return explain(entry.file, finding, signal);
    };
    try {
      const answer = await patiently(attempt, { signal, waiting });
      this.#set(entry, { state: "answered", answer, controller: null });
    } catch (problem) {
      if (entry.controller !== controller) return; // a newer question is under way
      const state = signal.aborted ? (entry.answer === null ? "cancelled" : "answered") : "failed";
      this.#set(entry, { state, problem: signal.aborted ? null : problem, controller: null });
    }
  }

  #set(entry, change) {
    Object.assign(entry, change);
    this.dispatchEvent(new CustomEvent("change", { detail: entry }));
  }
}
