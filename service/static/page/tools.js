/** The buttons under the film: they command the viewer, and show what it shows. */

import { modelCard } from "./api.js";
import { byId } from "./dom.js";
import { colour } from "./heatmap.js";

const ZOOM_STEP = 1.25;

/** @param actions what a button may ask of the rest of the page. */
export function connectTools(viewer, actions) {
  const commands = {
    auto: () => viewer.windowAutomatically(),
    invert: () => viewer.set({ inverted: !viewer.options.inverted }),
    "zoom-out": () => viewer.zoomBy(1 / ZOOM_STEP),
    "zoom-in": () => viewer.zoomBy(ZOOM_STEP),
    fit: () => viewer.fit(),
    actual: () => viewer.actualSize(),
    reset: () => viewer.reset(),
    heat: () => viewer.set({ heat: !viewer.options.heat }),
    beside: () => viewer.set({ sideBySide: !viewer.options.sideBySide }),
    "show-help": () => byId("help").showModal(),
    "show-card": () => showCard(actions),
  };
  for (const [id, command] of Object.entries(commands)) byId(id).addEventListener("click", command);
  for (const button of document.querySelectorAll(".open")) button.addEventListener("click", actions.open);
  const window = () => viewer.setWindow({ center: byId("level").valueAsNumber, width: byId("width").valueAsNumber });
  for (const id of ["level", "width"]) byId(id).addEventListener("change", (event) => event.target.value !== "" && window());
  byId("opacity").addEventListener("input", (event) => viewer.set({ opacity: event.target.value / 100 }));
  byId("finding").addEventListener("change", (event) => actions.explain(event.target.value));
  holdToPeek(byId("peek"), viewer);
  paintLegend();
}

function holdToPeek(button, viewer) {
  const peek = (isHeld) => () => viewer.set({ peek: isHeld });
  button.addEventListener("pointerdown", peek(true));
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur"]) button.addEventListener(kind, peek(false));
  const isPress = ({ key }) => key === " " || key === "Enter";
  button.addEventListener("keydown", (event) => isPress(event) && peek(true)());
  button.addEventListener("keyup", (event) => isPress(event) && peek(false)());
}

/** Bring every control to what the viewer and the chosen film are like now. */
export function showTools(viewer, entry) {
  const { options, window, view, film } = viewer;
  const explanation = entry?.answer?.explanation;
  byId("film-tools").disabled = film === null;
  byId("heat-tools").disabled = viewer.layer === null;
  byId("save-overlay").hidden = explanation === undefined;
  for (const [id, isOn] of [["invert", options.inverted], ["heat", options.heat], ["beside", options.sideBySide]]) {
    byId(id).ariaPressed = String(isOn);
  }
  byId("opacity").value = Math.round(options.opacity * 100);
  if (film !== null) {
    for (const [id, value] of [["level", window.center], ["width", window.width]]) {
      if (document.activeElement !== byId(id)) byId(id).value = Math.round(value); // nobody is typing there
    }
  }
  byId("legend").hidden = !viewer.heatIsShown;
  byId("shown").textContent = film === null ? "" : `L ${Math.round(window.center)}  W ${Math.round(window.width)}  ×${view.zoom.toFixed(1)}`;
  if (explanation !== undefined) offerFindings(entry.answer);
}

function offerFindings({ prediction, explanation }) {
  const names = Object.keys(prediction.probabilities);
  const select = byId("finding");
  if ([...select.options].map(({ value }) => value).join() !== names.join()) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }
  if (document.activeElement !== select) select.value = explanation.finding;
}

function paintLegend() {
  const context = byId("colours").getContext("2d");
  for (let heat = 0; heat < 256; heat += 1) {
    context.fillStyle = `rgb(${colour(heat).join(" ")})`;
    context.fillRect(heat, 0, 1, 1);
  }
}

async function showCard({ model }) {
  const text = byId("card-text");
  text.textContent = "Loading…";
  byId("card").showModal();
  try {
    text.textContent = await modelCard(await model());
  } catch (problem) {
    text.textContent = `${problem.title}: ${problem.message}`;
  }
}
