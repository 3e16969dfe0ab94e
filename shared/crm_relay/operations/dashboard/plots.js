// Plots as inline SVG. Bars where there are few points, dated axes, numbers by hover and by arrow keys, a table behind each.
import { h, number, percent, s, table } from "./dom.js";

const WIDTH = 600, HEIGHT = 150, FEWEST_FOR_LINES = 3;
export const FEW_SENDS = 20;

// The smallest round number that is not below the value and has a whole half, so that the axis can be read.
function roundTop(value) {
  if (value <= 10) return Math.max(2 * Math.ceil(value / 2), 2);
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((each) => Math.round(each * size)).find((each) => each >= value);
}

const dayNames = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const hourNames = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const bucketName = (at) => (at.length > 10 ? hourNames.format(new Date(at)) : dayNames.format(new Date(`${at}T00:00:00Z`)));

// A share of few sends is no rate: such a day has its count alone, and no point in the plot.
export const rateOf = (part, whole) => (whole >= FEW_SENDS ? (100 * part) / whole : null);
export const rateSaid = (part, whole, digits = 1) => (whole === 0 ? "–" : whole < FEW_SENDS ? `${number(part)} of ${number(whole)}` : percent((100 * part) / whole, digits));

function stacked(series, count, y) {
  const width = WIDTH / Math.max(count, 7), below = Array(count).fill(0);
  return series.map((each) => s("g", { class: `tone ${each.tone}` }, each.values.map((value, place) => {
    if (!value) return null;
    const foot = y(below[place]);
    below[place] += value;
    const top = y(below[place]);
    return s("rect", { x: (place * width + width * 0.12).toFixed(1), width: (width * 0.76).toFixed(1), y: top.toFixed(1), height: Math.max(foot - top, 0.8).toFixed(1) });
  })));
}

function beside(series, count, y) {
  const width = WIDTH / Math.max(count, 3), own = (width * 0.7) / series.length;
  return series.map((each, of) => s("g", { class: `tone ${each.tone}` }, each.values.map((value, place) =>
    (value === null ? null : s("rect", { x: (place * width + width * 0.15 + of * own).toFixed(1), width: (own * 0.86).toFixed(1), y: y(value).toFixed(1), height: Math.max(y(0) - y(value), 0.8).toFixed(1) })))));
}

// A value that is missing breaks the line; a point with none beside it is a dot.
function curves(series, count, y) {
  const x = (place) => ((place + 0.5) * WIDTH) / count;
  return series.map((each) => {
    let pen = "M";
    const path = each.values.map((value, place) => {
      if (value === null) { pen = "M"; return ""; }
      const step = `${pen}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
    const alone = (place) => each.values[place] !== null && (each.values[place - 1] ?? null) === null && (each.values[place + 1] ?? null) === null;
    return s("g", { class: `line-of ${each.tone}` }, s("path", { class: "curve", d: path }),
      each.values.map((value, place) => (alone(place) ? s("path", { class: "curve dot", d: `M${x(place).toFixed(1)} ${y(value).toFixed(1)}h0.01` }) : null)));
  });
}

const DRAW = { stacked, beside, curves };
const sums = (series, count) => Array.from({ length: count }, (_, place) => series.reduce((sum, each) => sum + (each.values[place] ?? 0), 0));

// Which bucket is read: by the pointer, or by the arrow keys once the plot has the focus.
function readable(figure, svg, mark, readout, count, width, said, atRest) {
  let chosen = null;
  const show = (place) => {
    chosen = place;
    readout.textContent = place === null ? atRest : said(place);
    mark.setAttribute("visibility", place === null ? "hidden" : "visible");
    if (place !== null) mark.setAttribute("x", (place * width).toFixed(1));
  };
  const of = (event) => { const box = svg.getBoundingClientRect(); return Math.floor(((event.clientX - box.left) / box.width) * (WIDTH / width)); };
  svg.addEventListener("pointermove", (event) => { const place = of(event); show(place >= 0 && place < count ? place : null); });
  svg.addEventListener("pointerleave", () => show(null));
  figure.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: Math.max((chosen ?? count) - 1, 0), ArrowRight: Math.min((chosen ?? -1) + 1, count - 1), Home: 0, End: count - 1, Escape: null }[event.key];
    if (to === undefined || event.target !== figure) return;
    event.preventDefault();
    show(to);
  });
  figure.addEventListener("blur", () => show(null));
  show(null);
}

// buckets: dates or moments. series: {name, tone, values, said?(place), total}. kind: "stacked" for counts, "rates" for shares.
export function plot({ id, title, buckets, series, kind, unit = "", budget = null, note = null }) {
  const count = buckets.length;
  const way = kind === "stacked" ? "stacked" : count < FEWEST_FOR_LINES ? "beside" : "curves";
  const tops = way === "stacked" ? sums(series, count) : series.flatMap((each) => each.values.filter((value) => value !== null));
  const top = roundTop(Math.max(...tops, budget ?? 0, 0)), y = (value) => HEIGHT - 1 - ((HEIGHT - 10) * value) / top;
  const width = WIDTH / (way === "stacked" ? Math.max(count, 7) : way === "beside" ? Math.max(count, 3) : count);
  const text = (each, place) => each.said?.(place) ?? `${number(each.values[place])}${unit}`;
  const said = (place) => `${bucketName(buckets[place])}: ${series.map((each) => `${text(each, place)} ${each.name}`).join(", ")}`;
  const whole = `${title}, ${bucketName(buckets[0])} to ${bucketName(buckets[count - 1])}. ${series.map((each) => `${each.name} ${each.total}`).join(", ")}${note ? `. ${note}` : ""}`;
  const readout = h("p", { class: "readout", role: "status", "aria-live": "polite" });
  const mark = s("rect", { class: "mark", y: 0, height: HEIGHT, width: width.toFixed(1), visibility: "hidden" });
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": whole }, mark,
    [0, 0.5, 1].map((part) => s("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(top * part), y2: y(top * part) })),
    DRAW[way](series, count, y), budget === null ? null : s("line", { class: "budget", x1: 0, x2: WIDTH, y1: y(budget), y2: y(budget) }));
  const figure = h("div", { class: "plot", tabindex: "0", role: "group", "aria-label": `${title}: arrow keys read single values`, "data-plot": id, "data-drawn": way },
    h("div", { class: "plot-y", "aria-hidden": "true" }, [top, top / 2, 0].map((each) => h("span", null, `${number(Math.round(each * 10) / 10)}${unit}`))), svg);
  readable(figure, svg, mark, readout, count, width, said, note ?? "");
  const places = Math.round(WIDTH / width), isPart = count <= places && places <= 7;
  const marks = isPart ? [...buckets.keys()] : [...new Set([0, Math.floor((count - 1) / 2), count - 1])];
  return h("figure", { class: "figure" }, h("h3", null, title), figure,
    h("p", { class: "axis", "aria-hidden": "true", "data-part": isPart ? places : null }, marks.map((place) => h("span", null, bucketName(buckets[place])))), readout,
    h("ul", { class: "legend" }, series.map((each) => h("li", null, h("span", { class: `swatch ${each.tone}`, "aria-hidden": "true" }), each.name, h("strong", null, each.total)))),
    h("details", { class: "behind" }, h("summary", null, "Numbers as a table"),
      table(`${title}, in numbers`, [["when", (place) => bucketName(buckets[place])], ...series.map((each) => [each.name, (place) => text(each, place), "n"])], [...buckets.keys()].reverse(), false)));
}

// One bar a run, newest at the right; its height is what was written, on a root scale, so that small runs stay visible.
export function ticks(label, runs) {
  const most = Math.sqrt(Math.max(...runs.map((run) => run.size), 1));
  const width = WIDTH / Math.max(runs.length, 30);
  return h("div", { class: "ticks" }, s("svg", { viewBox: `0 0 ${WIDTH} 44`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    runs.map((run, place) => {
      const height = 4 + (38 * Math.sqrt(run.size)) / most;
      const left = WIDTH - (place + 1) * width;
      return s("rect", { class: `tick ${run.state}`, x: (left + 1).toFixed(1), width: Math.max(width - 2, 1).toFixed(1), y: (44 - height).toFixed(1), height: height.toFixed(1), rx: 1 });
    })));
}
