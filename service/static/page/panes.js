/** Drawing a film into one pane, or into two beside or below each other: left without heat, right with it. */

const GAP = 8;
const LINE = 2;

/** The panes of a canvas, in its pixels: two are laid out as the film becomes largest. */
export function panesOf({ width, height }, film, isSplit) {
  if (!isSplit) return [{ x: 0, y: 0, width, height }];
  const half = { width: (width - GAP) / 2, height: (height - GAP) / 2 };
  const beside = [0, half.width + GAP].map((x) => ({ x, y: 0, width: half.width, height }));
  const below = [0, half.height + GAP].map((y) => ({ x: 0, y, width, height: half.height }));
  return fitScale(film, beside[0]) >= fitScale(film, below[0]) ? beside : below;
}

/** Pixels of the canvas for one of the film when all of it is to be seen. */
export const fitScale = ({ rows, columns }, { width, height }) => Math.min(width / columns, height / rows);

/**
 * Draw everything.
 *
 * @param picture canvas with the windowed film.
 * @param layer of `heatLayer`, or null.
 * @param view zoom (1: all of it), and which point of the film lies in the middle, x and y in [0, 1].
 */
export function drawPanes(canvas, { film, picture, layer, view, options }) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const isSplit = options.sideBySide && layer !== null;
  panesOf(canvas, film, isSplit).forEach((pane, index) => {
    const isHot = layer !== null && (isSplit ? index === 1 : options.heat !== options.peek);
    drawPane(context, pane, { film, picture, layer: isHot ? layer : null, view, opacity: options.opacity });
  });
}

function drawPane(context, pane, { film, picture, layer, view, opacity }) {
  const scale = fitScale(film, pane) * view.zoom;
  const [width, height] = [film.columns * scale, film.rows * scale];
  const left = pane.x + pane.width / 2 - view.x * width;
  const top = pane.y + pane.height / 2 - view.y * height;
  context.save();
  context.beginPath();
  context.rect(pane.x, pane.y, pane.width, pane.height);
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, top, width, height);
  if (layer !== null) {
    context.globalAlpha = opacity;
    context.drawImage(layer.canvas, left, top, width, height);
    context.globalAlpha = 1;
    drawContour(context, layer.contour, new DOMMatrix([width, 0, 0, height, left, top]));
  }
  context.restore();
}

/** Light on dark, so that it is seen on bone and on air; of one width at every zoom. */
function drawContour(context, contour, matrix) {
  const placed = new Path2D();
  placed.addPath(contour, matrix);
  context.lineCap = "round";
  for (const [style, width] of [["rgb(0 0 0 / 60%)", 2 * LINE + 1], ["#fff", LINE]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke(placed);
  }
}
