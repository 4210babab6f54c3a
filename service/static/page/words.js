/** What the service's terms mean, in words that claim no more than they do. */

export const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;
export const interval = ({ value, low, high }) => `${percent(value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;

const WARNINGS = {
  low_resolution: "Few pixels: the film is smaller than what the network sees.",
  extreme_aspect: "Very long or very wide for a chest film.",
  low_contrast: "Little contrast: the film uses a small part of its gray levels.",
  mostly_one_value: "Much of the picture is one gray level: masked, empty, or no film.",
  not_frontal: "By its own file, no frontal view.",
  age_unreadable: "The age that the file states cannot be read; it is not used.",
  population_contradicts_header: "The age that the file states and what the film looks like contradict each other.",
  population_contradicts_caller: "Whose film it is, as it was sent, contradicts the file or what the film looks like.",
  view_contradicts_header: "The view that the file states and what the film looks like contradict each other.",
  body_part_mismatch: "By its own file, another part of the body.",
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

const BANDS = { high: "High confidence", medium: "Medium confidence", low: "Low confidence" };

/** The negative class means none of the findings; which class it is, the model's manifest says. */
export function findingsOf(prediction, model) {
  const negative = model === null ? null : model.negative_class;
  return Object.keys(prediction.probabilities).filter((name) => name !== negative);
}

/**
 * The answer at a glance.
 *
 * @returns {{kind: "positive"|"negative"|"undecided"|"unfamiliar"|"unsuitable", sign: string, headline: string, band: string}}
 */
export function verdict({ prediction, image }, model) {
  const { decision, label, in_distribution, confidence_band } = prediction;
  const band = BANDS[confidence_band];
  if (decision === "positive") return { kind: "positive", sign: "▲", headline: `${label}: operating point reached`, band };
  if (decision === "negative") {
    return { kind: "negative", sign: "○", headline: `${findingsOf(prediction, model).join(", ")}: operating point not reached`, band };
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

/** What became of an entry of the work list, short, with a sign that needs no colour. */
export function standing(entry, model) {
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
      const { sign, headline } = verdict(entry.answer, model);
      return { sign, text: headline };
    }
  }
}
