// The first look of a day: what is wrong and what mends it, what would leave now, and how it went over time.
import { ago, bodyOf, byId, chip, choices, empty, h, number, section, sub, table, upTo, words } from "./dom.js";
import { hrefOf, link } from "./page.js";
import { plot } from "./plots.js";
import { incidentTable } from "./incidents.js";
import { mauticState } from "./sync.js";

export const RANGES = [[1, "24 hours"], [7, "7 days"], [30, "30 days"], [90, "90 days"]];
export const daysOf = (here, usual = 7) => RANGES.map(([days]) => days).find((days) => String(days) === here.query.get("days")) ?? usual;
export const zoneName = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const ranges = (path, days) => choices("Range", RANGES, days, (each) => hrefOf(path, { days: each }));

const MAILS = [["delivered", "delivered", "good"], ["on_the_way", "on the way", "wait"], ["bounced", "bounced or failed", "bad"],
  ["left_out", "left out by a rule", "rest"], ["unclear", "unclear", "warn"]];
const EVENTS = [["opened", "opened by people", "s1"], ["clicked", "clicked by people", "s4"], ["bounced", "bounced", "bad"],
  ["complained", "complained", "warn"], ["unsubscribed", "unsubscribed", "s3"]];

function stackedPlot(id, title, names, activity, found, nothing) {
  const series = names.map(([name, text, tone]) => ({ name: text, tone, values: found[name], total: number(found[name].reduce((sum, each) => sum + each, 0)) }))
    .filter((each) => each.values.some((value) => value));
  return series.length ? plot({ id, title, buckets: activity.buckets, series, kind: "stacked" }) : h("div", null, h("h3", null, title), empty(nothing));
}

export function activityPlots(activity) {
  const span = activity.days === 1 ? "the last 24 hours" : `the last ${activity.days} days`;
  return h("div", { class: "plots" },
    stackedPlot("mails", "Mails by what became of them", MAILS, activity, activity.mails, `No mail was made in ${span}.`),
    stackedPlot("events", "What people and mailboxes did", EVENTS, activity, activity.events, `Nothing came back in ${span}.`));
}

function showAhead(ahead) {
  const columns = [
    ["campaign", (each) => link(`campaigns/${each.id}`, each.name), "wrap"],
    ["due now", (each) => upTo(each.due_now), "n"], ["in the next 24 hours", (each) => upTo(each.next_day), "n"],
  ];
  const waiting = ahead.waiting.map((each) => h("li", null, `${upTo(each.number)} made and waiting`, each.held_for ? `: ${words(each.held_for)}` : ""));
  byId("ahead-note").textContent = ahead.campaigns.length ? "steps of people in campaigns that run; rules decide about each when it is due" : "";
  bodyOf("ahead").replaceChildren(ahead.campaigns.length ? table("What would leave now", columns, ahead.campaigns) : empty("No campaign is running, so none of them sends."),
    ...(waiting.length ? [h("h3", null, "Mails that are made"), h("ul", { class: "plain" }, waiting)] : []));
}

const NAMES = { to_cache: "PostgreSQL to edge", to_postgres: "Edge to PostgreSQL" };
function showLinesShortly(status) {
  const lines = [...status.directions.map((each) => [NAMES[each.direction], each.healthy ? ["good", "healthy"] : each.last_success_at ? ["bad", "needs a look"] : ["unknown", "never ran"], each.last_success_at, each.pending]),
    ...(status.installed.includes("mautic") ? [["PostgreSQL to Mautic", mauticState(status.mautic), status.mautic.last_finished_at, status.mautic.pending]] : [])];
  bodyOf("health").replaceChildren(lines.length ? h("ul", { class: "tiles" }, lines.map(([name, [state, verdict], at, pending]) => h("li", { class: "tile" },
    h("span", { class: "tile-name" }, name), h("span", { class: "tile-value" }, at ? ago(at) : "never ran"),
    chip(state, verdict), sub(`${upTo(pending)} pending`)))) : empty("No line is installed."));
}

export const overview = {
  title: "Overview",
  parts: () => ["status", "incidents", "ahead"],
  paths: (here) => [`/api/activity?days=${daysOf(here)}&zone=${encodeURIComponent(zoneName())}`],
  mount: () => [section("wrong", "What is wrong"), section("ahead", "What would leave now"), section("health", "Lines"), section("activity", "How it went")],
  show(data, [activity], here) {
    byId("view-tools").replaceChildren(ranges("overview", daysOf(here)));
    const open = data.incidents.filter((each) => !each.closed_at);
    byId("wrong-note").textContent = open.length > 5 ? `the newest 5 of ${number(open.length)}` : "";
    bodyOf("wrong").replaceChildren(open.length ? incidentTable("Open incidents", open.slice(0, 5), data.role) : h("p", { class: "clean" }, chip("good", "nothing"), "No incident is open."));
    showAhead(data.ahead);
    bodyOf("activity").replaceChildren(activityPlots(activity));
    showLinesShortly(data.status);
  },
};
