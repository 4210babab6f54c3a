/** Acceptance reports: the list, and one report with its figures against their limits. */

import { hasKey, reportFile } from "../api.js";
import { element, save } from "../dom.js";
import { percent, reason } from "../words.js";
import { badge, card, facts, moment, shareOf, stated, table } from "./parts.js";
import { intervalPlot } from "./plots.js";

const VERDICTS = { accept: ["good", "✓", "Accepted"], reject: ["bad", "✕", "Rejected"], not_enough: ["open", "?", "Not enough films"] };
const OUTCOMES = { met: ["good", "✓", "met"], missed: ["bad", "✕", "missed"], open: ["open", "?", "open"] };

export function listOfReports({ reports }) {
  if (reports.length === 0) return [element("p", {}, "No acceptance test was made here yet: python -m service accept films/ labels.csv --limits limits.yaml")];
  const rows = reports.map(({ name, made_at, site, model, finding, verdict, films, with_finding, with_profile, signed_by }) => [
    element("a", { href: `#acceptance/${name}` }, name),
    badge(...VERDICTS[verdict]),
    element("span", { className: "loose" }, `${model.name} ${model.version}${with_profile ? ", site profile" : ""}`),
    `${films}, ${with_finding} with ${finding}`,
    stated(site),
    moment(made_at),
    signed_by === null ? "not signed" : signed_by,
  ]);
  return [table("Acceptance reports, the newest first", ["Report", "Verdict", "Bundle", "Films", "Site", "Made", "Signed by"], rows)];
}

export function oneReport(report) {
  const [kind, sign, words] = VERDICTS[report.verdict];
  const { name, model, finding, threshold, counts, limits, profile } = report;
  return [
    element("p", {}, element("a", { href: "#acceptance" }, "All reports")),
    element("div", { className: `verdict ${kind}` }, element("span", { className: "sign", ariaHidden: "true" }, sign), element("div", {}, element("h3", {}, `${words}: ${name}`), element("p", {}, `${model.name} ${model.version} on ${counts.films} films, ${counts.with_finding} with ${finding}`))),
    element("ul", { className: "reasons" }, ...report.reasons.map((each) => element("li", {}, each))),
    element("p", { className: "links" }, fileLink(name, "report.html", "Report as HTML"), " ", fileLink(name, "report.pdf", "Report as PDF")),
    card("Figures against limits", figures(report), element("p", { className: "quiet" }, "Bars are 95 % intervals, the dashed line is the limit, and what is shaded lies beyond it.")),
    card("What was tested", facts([
      ["Threshold", `${percent(threshold)}${profile === null ? "" : `, site profile of ${profile.site}`}`],
      ["Prevalence", shareOf(report.prevalence)],
      ["Limits recorded", `${moment(limits.recorded_at)}, before any label was read`],
      ["Hash of the limits", limits.sha256],
      ["Not read", `${counts.unreadable} refused, ${counts.missing} missing, ${counts.unlabelled} without a label`],
      ["Made", `${moment(report.made_at)}, software ${report.software_version}`],
    ])),
    report.sample_sizes.length === 0 ? null : card("How many films it takes", table("Films for a decision on each limit", ["Figure", "Which films", "There are", "Needed"], report.sample_sizes.map(({ figure, kind: which, films, needed }) => [figure.replaceAll("_", " "), which, String(films), needed === null ? "no number would do" : String(needed)]))),
    report.abstentions.length === 0 ? null : card("Films without an answer", table("By reason; a film may have several", ["Reason", "Films", `With ${finding}`], report.abstentions.map((each) => [reason(each.reason), String(each.films), String(each.with_finding)]))),
    report.subgroups.length === 0 ? null : card("Subgroups", table("Figures of each group", ["Group", "Films", "Sensitivity", "Specificity", "Answered"], report.subgroups.map((each) => [`${each.attribute}: ${stated(each.group)}`, String(each.films), shareOf(each.sensitivity), shareOf(each.specificity), shareOf(each.answered)]))),
  ].filter((part) => part !== null);
}

function figures({ figures: all }) {
  const rows = all.map(({ title, estimate, limit, outcome, card: stated_by_card, films, hits }) => [
    title,
    intervalPlot(title, estimate, limit ?? {}),
    shareOf(estimate),
    limit === null ? "–" : limitWords(limit),
    outcome === null ? "–" : badge(...OUTCOMES[outcome]),
    hits === null ? String(films) : `${hits} of ${films}`,
    shareOf(stated_by_card),
  ]);
  return table("Figures of the local films", ["Figure", "Interval", "Value", "Limit", "Outcome", "Films", "Model card"], rows);
}

const limitWords = ({ at_least, at_most }) => [at_least === null ? null : `at least ${percent(at_least)}`, at_most === null ? null : `at most ${percent(at_most)}`].filter((each) => each !== null).join(", ");

/** A link where the browser may follow it by itself; with a key, which no link carries, the page fetches the file. */
function fileLink(name, file, words) {
  const address = `acceptance/${encodeURIComponent(name)}/${file}`;
  const link = element("a", { href: address, target: "_blank" }, words);
  link.addEventListener("click", async (event) => {
    if (!hasKey()) return;
    event.preventDefault();
    save(`${name}-${file}`, await reportFile(address));
  });
  return link;
}
