// Small charts as inline SVG; each has a text that says the same.
import { h, s, number } from "./dom.js";

const WIDTH = 600, HEIGHT = 120;

function scale(series) {
  const top = Math.max(...series.flatMap((each) => each.values.map((value) => value ?? 0)), 0) || 1;
  const count = Math.max(...series.map((each) => each.values.length), 2);
  return { top, x: (place) => (place * WIDTH) / (count - 1), y: (value) => HEIGHT - 4 - ((HEIGHT - 12) * value) / top };
}

// A value that is missing breaks the line.
function path(values, { x, y }) {
  let pen = "M";
  return values.map((value, place) => {
    if (value === null) { pen = "M"; return ""; }
    const step = `${pen}${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

export function lines(title, unit, days, series, told) {
  const to = scale(series);
  const label = `${title}. ${series.map((each) => `${each.name}: ${told(each)}`).join(", ")}`;
  return h("div", { class: "chart" },
    h("h3", null, title, h("span", null, `top ${number(Math.round(to.top * 10) / 10)}${unit}`)),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      [0, 0.5, 1].map((part) => s("line", { class: "grid", x1: 0, x2: WIDTH, y1: to.y(to.top * part), y2: to.y(to.top * part) })),
      series.length === 1 && s("path", { class: "area f1", d: `${path(series[0].values.map((value) => value ?? 0), to)}L${WIDTH} ${HEIGHT - 4}L0 ${HEIGHT - 4}Z` }),
      series.map((each, place) => s("path", { class: `curve c${(place % 6) + 1} dash${(place % 6) + 1}`, d: path(each.values, to) }))),
    h("p", { class: "axis" }, h("span", null, days[0]), h("span", null, days.at(-1))),
    h("ul", { class: "legend" }, series.map((each, place) => h("li", null,
      s("svg", { viewBox: "0 0 14 4", "aria-hidden": "true" }, s("path", { class: `curve c${(place % 6) + 1} dash${(place % 6) + 1}`, d: "M0 2H14" })),
      each.name, h("strong", null, told(each))))));
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

// One bar a day, and a line where the budget of a day is; the table beside it says the same.
export function bars(name, days, of, budget, isOver) {
  const most = Math.max(...days.map(of), budget ?? 0, 1);
  const width = WIDTH / Math.max(days.length, 7), y = (value) => HEIGHT - 4 - ((HEIGHT - 16) * value) / most;
  const over = days.filter(isOver).length;
  const bound = budget === null ? "no budget" : `budget ${number(budget)} a day${over ? `, used up on ${number(over)} of them` : ""}`;
  const label = `${name} by day: ${number(days.reduce((sum, each) => sum + of(each), 0))} on ${number(days.length)} days, ${bound}`;
  return h("div", { class: "chart bars" },
    h("h3", null, name, h("span", null, bound)),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      days.map((each, place) => s("rect", { class: `bar ${isOver(each) ? "over" : ""}`, x: (place * width + 1).toFixed(1), width: Math.max(width - 2, 1).toFixed(1),
        y: y(of(each)).toFixed(1), height: (HEIGHT - 4 - y(of(each))).toFixed(1), rx: 1 })),
      s("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT - 4, y2: HEIGHT - 4 }),
      budget !== null && s("line", { class: "budget", x1: 0, x2: WIDTH, y1: y(budget), y2: y(budget) })),
    h("p", { class: "axis" }, h("span", null, days[0]?.day ?? ""), days.length > 1 && h("span", null, days.at(-1).day)));
}
