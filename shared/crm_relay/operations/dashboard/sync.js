// The lines between the stores: how each is, resyncs with their progress, and the runs.
import { ago, at, bodyOf, byId, chip, duration, empty, h, number, percent, table, upTo, words } from "./dom.js";
import { ticks } from "./charts.js";

const NAMES = { to_cache: ["PostgreSQL", "Edge"], to_postgres: ["Edge", "PostgreSQL"], mautic: ["PostgreSQL", "Mautic"] };
const RESULT = { success: "good", running: "unknown", stopped: "warn", failed: "bad" };

function line(name, state, verdict, since, figures, error) {
  const [from, to] = NAMES[name];
  return h("article", { class: "line", "data-state": state, "data-line": name, "aria-label": `${from} to ${to}` },
    h("div", { class: "track" }, h("span", null, from),
      h("span", { class: "rail", "aria-hidden": "true" }), h("span", null, to)),
    h("p", { class: "since" }, h("span", { "data-figure": "since" }, since), chip(state, verdict)),
    h("dl", { class: "figures" }, figures.map(([label, value, key]) =>
      h("div", null, h("dt", null, label), h("dd", { "data-figure": key ?? label }, value)))),
    error ? h("p", { class: "problem" }, error) : null);
}

function direction(each) {
  if (each.last_success_at === undefined) return line(each.direction, "unknown", "not known", "–", [], null);
  const never = !each.last_success_at;
  const verdict = each.healthy ? "healthy" : never ? "never ran" : each.pending >= 100 ? "behind" : "late";
  return line(each.direction, each.healthy ? "good" : never ? "unknown" : "bad", verdict, ago(each.last_success_at), [
    ["pending", number(each.pending)], ["parked", number(each.parked)], ["last run", number(each.records), "records"],
    ["24 h", number(each.records_24h), "records_24h"], ["errors 24 h", number(each.failures_24h), "failures_24h"],
  ], each.last_status === "failed" ? each.last_error : null);
}

function mautic(each) {
  if (each.pending === undefined) return line("mautic", "unknown", "not known", "–", [], null);
  const late = !each.last_finished_at || Date.now() - Date.parse(each.last_finished_at) > 45 * 60e3;
  const state = !each.last_finished_at ? "unknown" : late || each.last_failed ? "warn" : "good";
  const verdict = state === "unknown" ? "never ran" : each.last_failed ? "some failed" : late ? "late" : "healthy";
  return line("mautic", state, verdict, ago(each.last_finished_at), [
    ["pending", upTo(each.pending)], ["to repeat", upTo(each.to_repeat), "to_repeat"],
    ["last run", number(each.last_synced), "records"], ["failed", number(each.last_failed)],
  ]);
}

function resync(each) {
  const state = each.phase === "done" ? "good" : each.phase === "stopped" ? "bad" : "unknown";
  const said = each.is_running ? `${percent(each.percent, 0)} · ${each.phase === "write" ? "writing" : "sweeping"}` : words(each.phase);
  const about = each.is_running
    ? [`${number(each.written)} of ${number(each.total)}`, each.rows_per_second ? `${number(each.rows_per_second)} rows/s, ${duration(each.eta_seconds)} left` : "just begun"]
    : [`${number(each.written)} rows`, `${ago(each.finished_at)} by ${each.ordered_by}`];
  return h("div", { class: "resync", "data-entity": each.entity, "data-phase": each.phase },
    h("p", null, h("strong", null, `Resync of ${each.entity}`), each.is_running ? said : chip(state, said)),
    each.is_running ? h("progress", { max: 100, value: each.percent, "aria-label": `Resync of ${each.entity}` }) : null,
    h("p", null, about.map((text) => h("span", null, text))), each.error ? h("p", { class: "problem" }, each.error) : null);
}

export function showStatus(status) {
  byId("line-list").replaceChildren(
    ...status.directions.map(direction), ...(status.installed.includes("mautic") ? [mautic(status.mautic)] : []));
  byId("resyncs").replaceChildren(...status.resyncs.map(resync));
  const sizes = status.entities.filter((each) => each.rows !== null).map((each) => `${each.is_estimate ? "about " : ""}${number(each.rows)} ${each.entity}${each.blocked_at ? " (deletions held back)" : ""}`);
  byId("lines-note").textContent = sizes.join(" · ");
  const verdict = byId("verdict");
  verdict.dataset.state = status.healthy ? "good" : "bad";
  verdict.textContent = status.healthy ? "● All lines run" : "■ Needs a look";
}

export function showNothing() {
  byId("line-list").replaceChildren(...["to_cache", "to_postgres"].map((name) => direction({ direction: name })), mautic({}));
  byId("resyncs").replaceChildren();
  byId("lines-note").textContent = "";
  byId("verdict").dataset.state = "unknown";
  byId("verdict").textContent = "Not signed in";
}

const seconds = (run) => (run.finished_at ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000 : null);
const VIEWS = {
  Edge: (data) => [
    data.runs.map((run) => ({ size: run.written_count + run.deleted_count, state: RESULT[run.status] })),
    [
      ["started", (run) => at(run.started_at)],
      ["run", (run) => `${words(run.direction)}${run.entity ? ` · ${run.entity}` : ""}`],
      ["by", (run) => run.ordered_by, "wrap"],
      ["result", (run) => [chip(RESULT[run.status], run.status), run.error && run.status !== "success" ? h("span", { class: "sub" }, run.error) : null]],
      ["written", (run) => number(run.written_count), "n"], ["deleted", (run) => number(run.deleted_count), "n"],
      ["parked", (run) => number(run.parked_count), "n"], ["conflicts", (run) => number(run.conflict_count), "n"],
      ["took", (run) => duration(seconds(run)), "n"],
    ], data.runs],
  Mautic: (data) => [
    data.mautic_runs.map((run) => ({ size: run.synced, state: run.failed ? "warn" : "good" })),
    [
      ["started", (run) => at(run.started_at)], ["synced", (run) => number(run.synced), "n"],
      ["created", (run) => number(run.created), "n"], ["updated", (run) => number(run.updated), "n"],
      ["failed", (run) => number(run.failed), "n"], ["segments", (run) => number(run.segments), "n"],
      ["took", (run) => duration(seconds(run)), "n"],
    ], data.mautic_runs],
};
let view = "Edge";

export function showRuns(data) {
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": "Which runs" }, Object.keys(VIEWS).map((name) =>
    h("button", { type: "button", class: "small", "aria-pressed": String(name === view), onclick: () => { view = name; showRuns(data); bodyOf("runs").querySelector("[aria-pressed=true]").focus(); } }, name)));
  const [bars, columns, rows] = VIEWS[view](data);
  bodyOf("runs").replaceChildren(tabs, ...(rows.length
    ? [ticks(`${rows.length} runs, newest at the right`, bars), table(`${view} runs`, columns, rows.slice(0, 10))]
    : [empty(`No ${view} run yet.`)]));
}
