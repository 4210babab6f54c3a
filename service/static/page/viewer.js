/** The film on the screen: window, zoom, place, polarity, heat. Knows neither the service nor the rest of the page. */

import { automaticWindow, bounded, paint, wholeWindow } from "./film.js";
import { drawPanes, fitScale, panesOf } from "./panes.js";

const LARGEST_ZOOM = 32;
const WHOLE = { zoom: 1, x: 0.5, y: 0.5 };

export class Viewer extends EventTarget {
  /** `canvas` fills its parent, whatever size that has. Dispatches "change" when what it shows has changed. */
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.painted = document.createElement("canvas"); // the film, windowed, at its own size
    this.options = { heat: false, peek: false, sideBySide: false, opacity: 0.5, inverted: false };
    this.empty();
    new ResizeObserver(() => this.#draw()).observe(canvas.parentElement);
  }

  empty() {
    Object.assign(this, { film: null, layer: null, window: null, view: { ...WHOLE } });
    Object.assign(this.options, { heat: false, peek: false, sideBySide: false, inverted: false });
    this.#draw();
  }

  /** A new film is seen first without heat: the eye must not be led before it has looked. */
  show(film) {
    this.empty();
    this.film = film;
    this.setWindow(wholeWindow(film));
  }

  /** @param layer of `heatLayer`, or null. */
  setLayer(layer) {
    this.layer = layer;
    this.#draw();
  }

  /** @param change any of heat, peek, sideBySide, opacity, inverted. */
  set(change) {
    Object.assign(this.options, change);
    if ("inverted" in change) this.#paint();
    this.#draw();
  }

  setWindow(window) {
    if (this.film === null) return;
    this.window = bounded(window, this.film);
    this.#paint();
    this.#draw();
  }

  /** By a share of the film's range: how far a pointer or key moves it does not depend on the depth. */
  shiftWindow(center, width) {
    if (this.film === null) return;
    const { largest } = this.film;
    this.setWindow({ center: this.window.center + center * largest, width: this.window.width + width * largest });
  }

  windowAutomatically() {
    if (this.film !== null) this.setWindow(automaticWindow(this.film));
  }

  reset() {
    if (this.film === null) return;
    this.view = { ...WHOLE };
    this.options.inverted = false;
    this.setWindow(wholeWindow(this.film));
  }

  fit() {
    this.view = { ...WHOLE };
    this.#draw();
  }

  /** One pixel of the film on one of the screen. */
  actualSize() {
    if (this.film === null) return;
    const [pane] = this.#panes();
    this.view.zoom = 1;
    this.zoomBy(1 / fitScale(this.film, pane));
  }

  /** @param point in CSS pixels of the canvas: what lies under it stays there. */
  zoomBy(factor, point = null) {
    if (this.film === null) return;
    const zoom = Math.min(LARGEST_ZOOM, Math.max(0.25, this.view.zoom * factor));
    if (point !== null) {
      const [x, y] = this.#offset(point);
      const change = 1 / this.view.zoom - 1 / zoom;
      this.view.x += x * change;
      this.view.y += y * change;
    }
    this.view.zoom = zoom;
    this.#place();
  }

  /** Move the film by CSS pixels. */
  panBy(x, y) {
    if (this.film === null) return;
    const [width, height] = this.#fitted();
    this.view.x -= (x * devicePixelRatio) / (width * this.view.zoom);
    this.view.y -= (y * devicePixelRatio) / (height * this.view.zoom);
    this.#place();
  }

  /** The whole film, and beside it with the heat map where there is one, for a sheet of paper. */
  drawReport(canvas) {
    if (this.film === null) return;
    const aspect = this.film.rows / this.film.columns;
    canvas.width = 1600;
    canvas.height = Math.round((this.layer === null ? 1600 : 800) * aspect);
    const options = { ...this.options, sideBySide: this.layer !== null, heat: false, peek: false };
    drawPanes(canvas, { film: this.film, picture: this.painted, layer: this.layer, view: WHOLE, options });
  }

  /** Whether heat is to be seen now. */
  get heatIsShown() {
    const { heat, peek, sideBySide } = this.options;
    return this.layer !== null && (sideBySide || heat !== peek);
  }

  #place() {
    // Never out of sight: the middle of the pane always shows film.
    for (const axis of ["x", "y"]) this.view[axis] = Math.min(1, Math.max(0, this.view[axis]));
    this.#draw();
  }

  #panes() {
    return panesOf(this.canvas, this.film, this.options.sideBySide && this.layer !== null);
  }

  #fitted() {
    const scale = fitScale(this.film, this.#panes()[0]);
    return [this.film.columns * scale, this.film.rows * scale];
  }

  #offset({ x, y }) {
    const [left, top] = [x * devicePixelRatio, y * devicePixelRatio];
    const panes = this.#panes();
    const pane = panes.find((each) => left < each.x + each.width && top < each.y + each.height) ?? panes[0];
    const [width, height] = this.#fitted();
    return [(left - pane.x - pane.width / 2) / width, (top - pane.y - pane.height / 2) / height];
  }

  #paint() {
    if (this.film !== null) paint(this.film, this.window, this.options.inverted, this.painted);
  }

  #draw() {
    if (this.frame) return; // once a frame of the screen is often enough
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const { clientWidth, clientHeight } = this.canvas.parentElement;
      this.canvas.width = Math.round(clientWidth * devicePixelRatio);
      this.canvas.height = Math.round(clientHeight * devicePixelRatio);
      if (this.film !== null) {
        drawPanes(this.canvas, { film: this.film, picture: this.painted, layer: this.layer, view: this.view, options: this.options });
      }
      this.dispatchEvent(new Event("change"));
    });
  }
}
