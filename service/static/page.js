"use strict";

const element = (id) => document.getElementById(id);
const BANDS = { low: "low confidence", medium: "medium confidence", high: "high confidence" };
const HEADLINES = {
  positive: ({ label, confidence_band }) => `${label}: positive, ${BANDS[confidence_band]}`,
  negative: ({ confidence_band }) => `No finding reached its operating point, ${BANDS[confidence_band]}`,
  abstain: () => "The network abstains",
};
const FAMILIAR = { true: "yes", false: "no", null: "not checked" };
const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
const interval = (estimate) => `${percent(estimate.value)} (${percent(estimate.low)} to ${percent(estimate.high)})`;

let film = null;
let latest = 0;

async function ask(path) {
  const body = new FormData();
  body.append("file", film, "film"); // the file's own name stays here: it may name a patient
  const headers = { Accept: "application/json" };
  if (sessionStorage.getItem("key")) headers["X-API-Key"] = sessionStorage.getItem("key"); // gone with the tab
  const response = await fetch(path, { method: "POST", body, headers });
  return { ok: response.ok, answer: await response.json() };
}

async function read(finding) {
  const turn = ++latest;
  element("status").hidden = false;
  element("status").textContent = "Reading the film…";
  let outcome;
  try {
    outcome = await ask(finding ? `explain?finding=${encodeURIComponent(finding)}` : "explain");
    if (outcome.answer.code === "explanation_unavailable") outcome = await ask("predict");
  } catch {
    outcome = { ok: false, answer: { title: "The service does not answer", detail: "Is it running?" } };
  }
  if (turn !== latest) return; // a newer film was chosen meanwhile
  element("result").hidden = !outcome.ok;
  element("status").hidden = outcome.ok;
  element("gate").hidden = outcome.answer.status !== 401;
  if (outcome.ok) show(outcome.answer);
  else refuse(outcome.answer);
}

function refuse(problem) {
  element("status").textContent = `${problem.title}: ${problem.detail}`;
  element("controls").disabled = true;
  element("overlay").hidden = true;
  element("invitation").hidden = !element("film").hidden;
}

function show({ prediction, image, model, explanation, disclaimer }) {
  element("headline").textContent = HEADLINES[prediction.decision](prediction);
  element("recommendation").textContent = prediction.recommendation;
  element("probabilities").replaceChildren(...Object.entries(prediction.probabilities).map(row));
  const point = prediction.operating_point;
  element("operating-point").textContent =
    `${point.finding} from ${percent(point.threshold)}; sensitivity ${interval(point.sensitivity)}, ` +
    `specificity ${interval(point.specificity)}; ${point.data}`;
  element("familiar").textContent = FAMILIAR[prediction.in_distribution];
  element("warnings").textContent = image.warnings.map((name) => name.replaceAll("_", " ")).join(", ") || "none";
  element("note").textContent = explanation ? explanation.note : "This model has none.";
  element("model").textContent = `${model.name} ${model.version}, ${model.architecture}, ${model.sha256.slice(0, 12)}`;
  element("disclaimer").textContent = disclaimer;
  showHeat(prediction, explanation);
}

function row([name, probability]) {
  const line = document.createElement("tr");
  const [head, bar, figure] = ["th", "td", "td"].map((tag) => line.appendChild(document.createElement(tag)));
  const meter = bar.appendChild(document.createElement("meter"));
  head.textContent = name;
  head.scope = "row";
  meter.value = probability;
  meter.setAttribute("aria-label", name);
  figure.textContent = percent(probability);
  return line;
}

function showHeat(prediction, explanation) {
  element("controls").disabled = !explanation;
  if (!explanation) return;
  element("overlay").src = `data:image/png;base64,${explanation.overlay_png_base64}`;
  element("finding").replaceChildren(
    ...Object.keys(prediction.probabilities).map((name) => new Option(name, name, false, name === explanation.finding)),
  );
  place();
}

function place() {
  element("overlay").hidden = !element("heat").checked || !element("overlay").hasAttribute("src");
  element("overlay").style.opacity = element("opacity").value / 100;
}

function choose(file) {
  if (!file) return;
  film = file;
  const picture = element("film");
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.hidden = false;
  element("overlay").hidden = true;
  element("overlay").removeAttribute("src");
  element("heat").checked = false;
  element("invitation").hidden = true;
  read(null);
}

// A browser shows no DICOM: there the overlay is the film.
element("film").addEventListener("error", () => {
  element("film").hidden = true;
  element("heat").checked = true;
  place();
});
element("gate").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", element("key").value);
  read(null);
});
element("file").addEventListener("change", (event) => choose(event.target.files[0]));
element("finding").addEventListener("change", (event) => read(event.target.value));
for (const id of ["heat", "opacity"]) element(id).addEventListener("input", place);
for (const kind of ["dragover", "dragleave", "drop"]) {
  element("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") choose(event.dataTransfer.files[0]);
  });
}
