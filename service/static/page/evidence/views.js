/** The views beside the films: which one the address names, and what stands there until it is loaded or where it cannot be. */

import { acceptanceReport, acceptanceReports, challengerReport, monitoring } from "../api.js";
import { byId, element } from "../dom.js";
import { showStanding } from "../standing.js";
import { detail } from "../status.js";
import { listOfReports, oneReport } from "./acceptance.js";
import { challengerElements } from "./challenger.js";
import { monitoringElements } from "./monitoring.js";

const VIEWS = {
  acceptance: { title: "Acceptance", load: (name) => (name === "" ? acceptanceReports() : acceptanceReport(name)), draw: (body, name) => (name === "" ? listOfReports(body) : oneReport(body)) },
  monitoring: { title: "Monitoring", load: monitoring, draw: monitoringElements },
  challenger: { title: "Challenger", load: challengerReport, draw: challengerElements },
};

let asked = 0;

/** Show what the part of the address behind # names: films, or a view with the name of one of its reports. */
export async function showView() {
  const [, name, report] = /^#(\w*)\/?(.*)$/.exec(location.hash) ?? ["", "", ""];
  const view = VIEWS[name] ?? null;
  const isFilms = view === null;
  [byId("films").hidden, byId("evidence").hidden] = [!isFilms, isFilms];
  for (const link of byId("views").querySelectorAll("a")) {
    if (link.hash === (isFilms ? "#films" : `#${name}`)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isFilms) return;
  const turn = (asked += 1);
  const heading = element("h2", { tabIndex: -1 }, view.title);
  const content = element("div", { className: "content" });
  byId("evidence").replaceChildren(heading, content); // the heading stays where it is, with the focus
  const put = (...parts) => turn === asked && content.replaceChildren(...parts);
  put(element("p", { className: "quiet" }, "Loading…"));
  heading.focus({ preventScroll: true });
  byId("evidence").scrollTop = 0;
  showStanding();
  try {
    put(...view.draw(await view.load(report), report));
  } catch (problem) {
    if (problem.status === undefined) throw problem; // a fault of this page
    byId("gate").hidden = problem.status !== 401;
    put(element("p", {}, element("strong", {}, problem.title)), detail(problem), problem.status === 401 ? element("p", {}, element("a", { href: "#films" }, "Enter a key")) : "");
  }
}
