/** Figures as pictures: intervals against limits, and running estimates with their bands. Each has a name in words. */

const SVG = "http://www.w3.org/2000/svg";
const BAR = { width: 240, height: 22 };
const CHART = { width: 400, height: 180, left: 48, right: 12, top: 10, bottom: 38 };

function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function picture(words, { width, height }, className, ...shapes) {
  return shape("svg", { role: "img", "aria-label": words, viewBox: `0 0 ${width} ${height}`, class: className }, ...shapes);
}

const percent = (value) => `${(100 * value).toFixed(1)} %`;

/**
 * An interval on the range from `from` to `to`, with its limits.
 *
 * @param estimate { value, low, high }; null: there is none, and the limits stand alone.
 * @param limits { at_least, at_most }, each null for none.
 */
export function intervalPlot(name, estimate, { at_least = null, at_most = null } = {}, { from = 0, to = 1 } = {}) {
  const { width, height } = BAR;
  const x = (value) => (width * (Math.min(to, Math.max(from, value)) - from)) / (to - from);
  const parts = [shape("line", { class: "axis", x1: 0, x2: width, y1: height / 2, y2: height / 2 })];
  if (from < 0) parts.push(shape("line", { class: "zero", x1: x(0), x2: x(0), y1: 2, y2: height - 2 }));
  if (at_least !== null) parts.push(shape("rect", { class: "beyond", x: 0, y: 0, width: x(at_least), height }));
  if (at_most !== null) parts.push(shape("rect", { class: "beyond", x: x(at_most), y: 0, width: width - x(at_most), height }));
  if (estimate !== null) {
    const { value, low, high } = estimate;
    parts.push(shape("rect", { class: "range", x: x(low), y: height / 2 - 4, width: Math.max(1, x(high) - x(low)), height: 8 }));
    parts.push(shape("rect", { class: "dot", x: x(value) - 1.5, y: height / 2 - 8, width: 3, height: 16 }));
  }
  for (const limit of [at_least, at_most]) {
    if (limit !== null) parts.push(shape("line", { class: "limit", x1: x(limit), x2: x(limit), y1: 0, y2: height }));
  }
  const said = estimate === null ? "no figure" : `${percent(estimate.value)}, interval ${percent(estimate.low)} to ${percent(estimate.high)}`;
  const bounds = [at_least === null ? "" : `, at least ${percent(at_least)}`, at_most === null ? "" : `, at most ${percent(at_most)}`];
  return picture(`${name}: ${said}${bounds.join("")}`, BAR, "interval", ...parts);
}

/**
 * A running estimate with its band over the number of films.
 *
 * @param series [{ films, value, low, high }], the fewest films first.
 * @param limit a share; null for none.
 */
export function runningPlot(name, series, limit) {
  const { width, height, left, right, top, bottom } = CHART;
  const last = series[series.length - 1];
  const x = (films) => left + ((width - left - right) * films) / Math.max(1, last.films);
  const y = (value) => top + (height - top - bottom) * (1 - value);
  const along = (field) => series.map((point) => `${x(point.films).toFixed(1)},${y(point[field]).toFixed(1)}`);
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((value) => [
    shape("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, `${100 * value} %`),
  ]);
  const ticks = [...new Set([0, Math.round(last.films / 2), last.films])].map((films) =>
    shape("text", { x: x(films), y: height - bottom + 16, "text-anchor": films === last.films ? "end" : "middle" }, String(films)),
  );
  const words = [
    `${name} over films with a verdict: ${percent(last.value)} after ${last.films}, band ${percent(last.low)} to ${percent(last.high)}`,
    limit === null ? "" : `, limit ${percent(limit)}`,
  ].join("");
  return picture(
    words,
    CHART,
    "running",
    ...grid,
    ...ticks,
    shape("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, "films with a verdict"),
    shape("polygon", { class: "band", points: [...along("high"), ...along("low").reverse()].join(" ") }),
    shape("polyline", { class: "line", points: along("value").join(" ") }),
    ...(limit === null ? [] : [shape("line", { class: "limit", x1: left, x2: width - right, y1: y(limit), y2: y(limit) })]),
  );
}
