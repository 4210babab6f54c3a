/** The report: the answer on paper or as PDF, the film beside its heat map, by the browser's own printing. */

import { saveJson, saveOverlay } from "./downloads.js";
import { byId } from "./dom.js";

/** @param selected gives the chosen entry, or null. */
export function listenToReport(viewer, selected) {
  addEventListener("beforeprint", () => {
    const entry = selected();
    byId("report-head").textContent = entry === null ? "" : `${entry.name}, ${new Date().toLocaleString()}`;
    byId("report-film").hidden = viewer.film === null;
    viewer.drawReport(byId("report-film"));
  });
  byId("print").addEventListener("click", () => print());
  byId("save-json").addEventListener("click", () => saveJson(selected()));
  byId("save-overlay").addEventListener("click", () => saveOverlay(selected()));
}
