/** What the service's terms mean, in words that claim no more than they do. */

export const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
export const interval = ({ value, low, high }) => `${percent(value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;

const WARNINGS = {
  low_resolution: "Few pixels: the film is smaller than what the network sees.",
  extreme_aspect: "Very long or very wide for a chest film.",
  low_contrast: "Little contrast: the film uses a small part of its gray levels.",
  mostly_one_value: "Much of the picture is one gray level: masked, empty, or no film.",
  not_frontal: "By its own file, no frontal view.",
  put_upright: "By its own file it lies mirrored or turned; it was put upright before it was read, and is shown as it came.",
  age_unknown: "No patient's age is stated; whether the film is of the intended population is not known.",
  view_unknown: "No view is stated; whether the film is of the intended population is not known.",
  body_part_unknown: "No part of the body is stated; whether the film is of the intended population is not known.",
  projection_unknown: "No projection, AP or PA, is stated; whether the film is of the intended population is not known.",
  modality_unknown: "No modality is stated; whether the film is of the intended population is not known.",
  presentation_intent_unknown: "Whether the values are raw or meant for presentation is not stated.",
  sex_unknown: "No sex is stated; whether the film is of the intended population is not known.",
  prepared_by_caller: "The pixels were sent prepared: what a file would show was not checked.",
  caller_contradicts_header: "Age or view, as they were sent with the film, contradict its own file, which counts.",
  age_unreadable: "The age that the file states cannot be read; it is not used.",
  population_contradicts_header: "The age that the file states and what the film looks like contradict each other.",
  population_contradicts_caller: "Whose film it is, as it was sent, contradicts the file or what the film looks like.",
  view_contradicts_header: "The view that the file states and what the film looks like contradict each other.",
  body_part_mismatch: "By its own file, another part of the body, or more than the chest.",
  burned_in_annotation: "By its own file, text is burned into the picture.",
  overlay: "The file holds overlays, which are not shown.",
  polarity_contradiction: "The file contradicts itself about what is black and what is white.",
  for_processing: "Raw detector values, not meant for presentation.",
  multiple_windows: "The file offers several windows; the first is used.",
  voi_unusable: "A window or display table of the file cannot be applied; another one, or the whole range, is used.",
  lut_rescaled: "A lookup table of the file uses fewer bits than it states; its largest entry is white.",
  transfer_syntax_contradiction: "The file is written in another way than it states; it is read as it is written.",
  frame_count_zero: "The file states no frames; it is read as one.",
  colour_image: "A colour picture; its luminance is used.",
  orientation_unreadable: "The file's orientation cannot be read; the film is shown as it is stored.",
  damaged_metadata: "Metadata of the file are damaged; they are left out.",
  reduced_depth: "Decoded with fewer gray levels than the file holds.",
};
export const warning = (name) => WARNINGS[name] ?? `${name.replaceAll("_", " ")}.`;

export const BANDS = { high: "High confidence", medium: "Medium confidence", low: "Low confidence" };

const REASONS = {
  unclear: "The network cannot tell with the certainty that validation demands.",
  unfamiliar: "The film differs from those that the network was trained on.",
  not_frontal: "By its own file, the film is not a frontal one.",
  low_contrast: "The film uses a small part of its gray levels.",
  outside_population: "The film is not of the patients, or not of the kind, that the network was trained on.",
  suspended: "The service is suspended: a limit was crossed, and it answers no film.",
  silent: "The service is silent: it takes part in a trial, and answers no film.",
};
export const reason = (name) => REASONS[name] ?? `${name.replaceAll("_", " ")}.`;

const POPULATIONS = {
  inside: "What is stated of the film is as the model's intended population wants it.",
  incomplete: "Not all that the intended population asks for is stated; the warnings name what is missing.",
  outside: "The film is outside the intended population.",
  not_checked: "Not checked: nothing is stated of patient and view.",
};
/** What came of holding what is stated of a film against the intended population. */
export const populationCheck = (name) => POPULATIONS[name] ?? POPULATIONS.not_checked;

/** A population in words, e.g. `child, below 18 years`. */
export function ages({ name, least_age_years: least, age_below_years: below }) {
  const limits = [...(least > 0 ? [`from ${least}`] : []), ...(below === null ? [] : [`below ${below}`])];
  return limits.length === 0 ? name : `${name}, ${limits.join(" and ")} years`;
}

/**
 * The answer at a glance.
 *
 * @returns {{kind: "positive"|"negative"|"undecided"|"unfamiliar"|"unsuitable", sign: string, headline: string, band: string}}
 */
export function verdict({ prediction, image }) {
  const { decision, in_distribution, confidence_band, findings } = prediction;
  const band = BANDS[confidence_band];
  const names = (wanted) => findings.filter((finding) => finding.decision === wanted).map(({ name }) => name).join(", ");
  if (decision === "positive") return { kind: "positive", sign: "▲", headline: `${names("positive")}: operating point reached`, band };
  if (decision === "negative") return { kind: "negative", sign: "○", headline: `${names("negative")}: operating point not reached`, band };
  if (prediction.abstention_reasons[0] === "suspended") return { kind: "unsuitable", sign: "■", headline: "Suspended: no answer", band: "A limit of the monitoring was crossed" };
  if (prediction.abstention_reasons[0] === "silent") return { kind: "unsuitable", sign: "■", headline: "Silent trial: no answer", band: "What was found is stored, and shown to those who judge the trial" };
  if (prediction.abstention_reasons[0] === "outside_population") {
    return { kind: "unsuitable", sign: "–", headline: "Outside the population: no answer", band: outside(prediction.traits) };
  }
  if (in_distribution === false) {
    return { kind: "unfamiliar", sign: "≠", headline: "Unfamiliar film: no answer", band: "Unlike the films that the network was trained on" };
  }
  if (image.warnings.includes("not_frontal")) {
    return { kind: "unsuitable", sign: "–", headline: "Not a frontal film: no answer", band: "Trained on frontal chest films alone" };
  }
  if (image.warnings.includes("low_contrast")) {
    return { kind: "unsuitable", sign: "–", headline: "Little contrast: no answer", band: "Uses a small part of its gray levels" };
  }
  return { kind: "undecided", sign: "?", headline: "Undecided: no answer", band: "The network abstains" };
}

/** What was seen that the network was not trained on; without it, what is stated of the film, as the recommendation says. */
function outside(traits) {
  const foreign = Object.entries(traits ?? {}).filter(([, { accepted }]) => !accepted);
  if (foreign.length === 0) return "By what is stated of it";
  return `Seen as: ${foreign.map(([, { value }]) => value).join(", ")}`;
}

/** What became of an entry of the work list, short, with a sign that needs no colour. */
export function standing(entry) {
  switch (entry.state) {
    case "waiting":
      return { sign: "·", text: "waiting" };
    case "reading":
      return { sign: "…", text: "reading" };
    case "busy":
      return { sign: "◷", text: `service busy, again in ${entry.againInS} s` };
    case "cancelled":
      return { sign: "×", text: "cancelled" };
    case "failed":
      return { sign: "!", text: entry.problem.title };
    default: {
      const { sign, headline } = verdict(entry.answer);
      return { sign, text: headline };
    }
  }
}
