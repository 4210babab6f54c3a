/** What happens to the chosen film now, where there is no answer yet or something went wrong; with what can be done. */

import { byId, element } from "./dom.js";

const button = (words, action) => element("button", { type: "button", onclick: action }, words);

/** A refused film is refused again; a network or a service recovers. */
const mayPass = ({ status }) => status === 0 || status >= 500;

/** @param list commands go there. */
export function statusElements(entry, list) {
  const { state, problem } = entry;
  const cancel = () => button("Cancel", () => list.cancel(entry));
  const retry = () => button("Try again", () => list.retry(entry));
  if (state === "waiting") return [element("p", {}, "Waiting for its turn."), cancel()];
  if (state === "reading") return [element("p", { className: "working" }, "Reading the film…"), cancel()];
  if (state === "busy") {
    return [element("p", {}, element("strong", {}, problem.title), `: trying again in ${entry.againInS} s.`), detail(problem), cancel()];
  }
  if (state === "cancelled") return [element("p", {}, "Cancelled: this film was not read."), retry()];
  if (state === "failed") {
    const told = [element("p", {}, element("strong", {}, problem.title)), detail(problem)];
    return mayPass(problem) ? [...told, retry()] : told;
  }
  return [];
}

export function detail({ detail: words, requestId }) {
  const request = requestId ? element("span", { className: "quiet" }, ` Request ${requestId}.`) : null;
  return element("p", {}, words[0].toUpperCase() + words.slice(1), ".".repeat(/[.!?]$/.test(words) ? 0 : 1), request);
}

/** The film could not be shown; the answer's own problem says more where there is one. */
export function showOnFilm(words) {
  byId("film-status").textContent = words;
  byId("film-status").hidden = words === "";
}
