/** The page: makes the parts, and carries what one of them says to the others. */

import { answerElements } from "./answer.js";
import { capabilities, currentModel, forgetKey, hasKey, keepKey, manifest, sampleFilm } from "./api.js";
import { announce, byId } from "./dom.js";
import { showView } from "./evidence/views.js";
import { Films } from "./films.js";
import { listenForFiles } from "./files.js";
import { listenToGestures } from "./gestures.js";
import { heatLayer } from "./heatmap.js";
import { showIntroduction } from "./introduction.js";
import { listenToKeys } from "./keyboard.js";
import { showList } from "./listview.js";
import { patiently } from "./patience.js";
import { listenToReport } from "./report.js";
import { shortcuts } from "./shortcuts.js";
import { isNewStanding, showStanding } from "./standing.js";
import { showOnFilm, statusElements } from "./status.js";
import { connectTools, showTools } from "./tools.js";
import { listenToVerdicts, offerVerdict } from "./verdict.js";
import { Viewer } from "./viewer.js";
import { standing } from "./words.js";
import { WorkList } from "./worklist.js";

const list = new WorkList();
const films = new Films();
const viewer = new Viewer(byId("film"));
let model = null; // manifest of the bundle that serves; null until it is known
const others = new Map(); // manifests of other bundles that answered, by name and version
let sample = null; // address of the sample film
let looking = new AbortController(); // of the film that is being fetched to be looked at
let drawn = null; // the explanation that the viewer has

async function begin() {
  byId("gate").hidden = true;
  const forever = new AbortController().signal;
  const waiting = (againInS, problem) => showIntroduction({ problem, againInS });
  try {
    sample = (await patiently(capabilities, { signal: forever, waiting })).sample;
    model = await patiently(currentModel, { signal: forever, waiting });
    byId("sample").hidden = sample === null;
    if (list.selected === null) showIntroduction({ model });
  } catch (problem) {
    byId("gate").hidden = problem.status !== 401;
    if (list.selected === null) showIntroduction({ problem });
  }
  byId("forget").hidden = !hasKey();
  showStanding();
}

async function look() {
  const entry = list.selected;
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  [byId("invitation").hidden, byId("film").hidden] = [true, false];
  viewer.empty();
  drawn = null;
  byId("film").ariaLabel = `Film ${entry.name}`;
  showOnFilm("Loading the film…");
  refresh(entry);
  try {
    const film = await films.of(entry, signal);
    if (signal.aborted) return;
    viewer.show(film);
    showOnFilm("");
  } catch (problem) {
    if (!signal.aborted) showOnFilm("No film to show.");
  }
  if (!signal.aborted) refresh(entry);
}

function refresh(entry) {
  showList(list);
  if (entry !== list.selected) return;
  const { answer, state } = entry;
  byId("status").replaceChildren(...statusElements(entry, list));
  byId("result").replaceChildren(...(answer === null ? [] : answerElements(answer, manifestOf(entry))));
  byId("take").hidden = answer === null;
  byId("gate").hidden = entry.problem?.status !== 401;
  showTools(viewer, entry);
  offerVerdict(entry, () => entry === list.selected);
  if (state === "answered") drawHeat(entry);
}

/** Of the bundle that answered, which need not be the one that served first; null until it is here. */
function manifestOf(entry) {
  const { name, version } = entry.answer.model;
  if (model?.name === name && model.version === version) return model;
  const address = `${name}/${version}`;
  if (!others.has(address)) {
    others.set(address, null);
    manifest({ name, version }).then(
      (read) => {
        others.set(address, read);
        refresh(entry);
      },
      () => undefined, // the bundle was removed meanwhile
    );
  }
  return others.get(address);
}

async function drawHeat(entry) {
  const { explanation } = entry.answer;
  if (explanation === undefined || explanation === drawn || viewer.film === null) return;
  drawn = explanation;
  const layer = await heatLayer(explanation.heatmap_png_base64);
  if (entry === list.selected && drawn === explanation) viewer.setLayer(layer);
}

function onChange({ detail: entry }) {
  refresh(entry);
  const { text } = standing(entry);
  const isNews = entry.state !== "busy" || entry.saidBusy !== true; // not every second
  entry.saidBusy = entry.state === "busy" || (entry.state === "reading" && entry.saidBusy);
  if (entry.state === "answered" && isNewStanding(entry.answer)) showStanding();
  if (isNews && entry.state !== "waiting") announce(`${list.entries.length > 1 ? `${entry.name}: ` : ""}${text}`);
}

function take(chosen) {
  if (byId("films").hidden) location.hash = "#films";
  list.add(chosen);
  byId("film").focus({ preventScroll: true }); // the button that was pressed is gone
}

const actions = {
  open: () => byId("file").click(),
  step: (places) => list.step(places),
  cancel: () => list.entries.forEach((entry) => list.cancel(entry)),
  explain: (finding) => list.selected?.state === "answered" && list.ask(list.selected, finding),
  selected: () => list.selected,
  model: async () => list.selected?.answer?.model ?? model ?? currentModel(), // that which answered, else that which serves
  announce,
};

list.addEventListener("select", look);
list.addEventListener("change", onChange);
viewer.addEventListener("change", () => showTools(viewer, list.selected));
listenForFiles(take);
listenToGestures(byId("film"), viewer, () => document.querySelector("input[name=drag]:checked").value === "pan");
listenToReport(viewer, () => list.selected);
connectTools(viewer, actions);
listenToKeys(shortcuts(viewer, actions));
listenToVerdicts(() => list.selected);
addEventListener("hashchange", showView);
byId("cancel-all").addEventListener("click", actions.cancel);
byId("sample").addEventListener("click", async () => take([await sampleFilm(sample)]));
byId("gate").addEventListener("submit", async (event) => {
  event.preventDefault();
  keepKey(byId("key").value);
  byId("key").value = "";
  await begin();
  showView();
  list.retry(...list.locked);
  if (list.selected !== null) look();
});
byId("forget").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
begin().then(showView);
