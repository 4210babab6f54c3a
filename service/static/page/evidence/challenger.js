/** The bundle that reads along against the one that serves, and what the rule of promotion says. */

import { element } from "../dom.js";
import { badge, card, facts, moment, shareOf, signed, stated, table } from "./parts.js";
import { intervalPlot } from "./plots.js";

const DECISIONS = ["positive", "negative", "abstain"];
const STATES = { met: ["good", "✓", "The rule promotes it"], missed: ["bad", "✕", "The rule does not promote it"], waiting: ["open", "?", "The rule cannot decide yet"] };
const DIFFERENCE = { from: -0.5, to: 0.5 };

export function challengerElements(report) {
  const { challenger, active, fault, agreement, groups, findings, promotion } = report;
  const [kind, sign, words] = STATES[promotion.state];
  const { films, margin } = promotion.rule;
  return [
    element("div", { className: `verdict ${kind}` }, element("span", { className: "sign", ariaHidden: "true" }, sign), element("div", {}, element("h3", {}, words), element("p", {}, `${challenger} against ${active.join(", ")}`))),
    fault === null ? null : element("p", {}, badge("open", "▲", "reads no film now"), ` ${fault}`),
    promotion.reasons.length === 0 ? null : element("ul", { className: "reasons" }, ...promotion.reasons.map((each) => element("li", {}, each))),
    element("p", { className: "quiet" }, `The rule looks once, at the first films with a verdict until ${films} with and ${films} without the finding are there: no figure may be lower by more than ${(100 * margin).toFixed(1)} points.`),
    facts([
      ["Films read by both", String(report.films)],
      ["Not read by it", String(report.not_read)],
      ["With a verdict", String(report.verdicts)],
      ["First and last", report.first_at === null ? "none" : `${moment(report.first_at)} to ${moment(report.last_at)}`],
    ]),
    agreement === null ? null : card("Agreement", agreementTable(agreement, groups), crosstab(agreement)),
    ...findings.map((each) => findingCard(each, margin)),
  ].filter((part) => part !== null);
}

function agreementTable(all, groups) {
  const row = (name, { films, share, kappa }) => [name, String(films), intervalPlot(`Agreement, ${name}`, share), shareOf(share), kappa === null ? "not defined" : `${kappa.value.toFixed(2)} (${kappa.low.toFixed(2)} to ${kappa.high.toFixed(2)})`];
  const rows = [row("all films", all), ...groups.map(({ attribute, group, agreement }) => row(`${attribute}: ${stated(group)}`, agreement))];
  return table("How often both decide alike", ["Films of", "Films", "Share", "Value", "Kappa"], rows);
}

function crosstab({ counts }) {
  const rows = counts.map((row, index) => [`serves: ${DECISIONS[index]}`, ...row.map(String)]);
  return table("Films by the decisions of both", ["Decisions", ...DECISIONS.map((name) => `challenger: ${name}`)], rows);
}

function findingCard({ finding, with_finding, without_finding, sensitivity, specificity, auroc }, margin) {
  const limit = { at_least: -margin };
  const row = (name, challenger, active, difference, test) => [name, shareOf(challenger), shareOf(active), intervalPlot(`${name}, challenger minus active`, difference, limit, DIFFERENCE), signed(difference), test];
  const share = (name, each) => row(name, each.challenger, each.active, each.difference, `McNemar, p = ${each.p_value.toPrecision(2)}; ${each.challenger_only} and ${each.active_only} films`);
  const rows = [
    ...(sensitivity === null ? [] : [share("Sensitivity", sensitivity)]),
    ...(specificity === null ? [] : [share("Specificity", specificity)]),
    ...(auroc === null ? [] : [row("AUROC", auroc.challenger, auroc.active, auroc.comparison.difference, `DeLong, p = ${auroc.comparison.p_value.toPrecision(2)}`)]),
  ];
  return card(
    `${finding}: ${with_finding} films with it, ${without_finding} without`,
    table(`Both bundles on the same films, ${finding}`, ["Figure", "Challenger", "Serves", "Difference", "In points", "Test"], rows),
    element("p", { className: "quiet" }, "On every film with a verdict; an abstention is not right. Bars are 95 % intervals of the difference, and what is shaded lies beyond the margin."),
  );
}
