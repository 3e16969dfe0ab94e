// One colleague: the settings as they act now, and the last week with other ones.
import { at, bodyOf, byId, chip, empty, h, number, table, words } from "./dom.js";

const FREQUENCIES = ["immediate", "hourly_digest", "daily_digest", "weekly_digest", "never"];
const CHANNELS = ["in_app", "email", "slack", "sms"];
const STATES = { send: "good", digest: "unknown", hold: "warn", skip: "unknown" };
const VERDICTS = { send: "at once", digest: "in a digest", hold: "held", skip: "left out" };

const verdict = (each) => h("li", null, `${words(each.channel)} `,
  chip(STATES[each.verdict], each.verdict === "send" && each.is_silent ? "silently" : VERDICTS[each.verdict]),
  each.reason ? ` ${words(each.reason)}` : "", each.not_before ? [", ", at(each.not_before)] : null);

const COLUMNS = [
  ["category", (each) => [words(each.category), h("span", { class: "sub" }, each.source === "person" ? "own choice" : each.source === "organization" ? "the organization's" : "as delivered")]],
  ["wanted on", (each) => each.channels.map(words).join(", ") || "nothing", "wrap"],
  ["how often", (each) => [words(each.frequency), each.next_digest_at ? h("span", { class: "sub" }, "next ", at(each.next_digest_at)) : null]],
  ["quiet", (each) => [each.quiet_hours ?? "never", each.dnd_enabled ? h("span", { class: "sub" }, "do not disturb", each.dnd_until ? [" until ", at(each.dnd_until)] : "") : null]],
  ["a notification now", (each) => h("ul", { class: "verdicts" }, each.now.map(verdict)), "wrap"],
];

const field = (label, input) => h("label", null, h("span", null, label), input);
const select = (name, options) => h("select", { name }, options.map(([value, text]) => h("option", { value }, text)));

function weekForm(settings, simulate) {
  const boxes = CHANNELS.map((name) => h("label", { class: "box" }, h("input", { type: "checkbox", name: "channel", value: name }), words(name)));
  const form = h("form", { class: "week-form", "aria-label": "Other settings" },
    field("category", select("category", [["", "all"], ...settings.categories.map((each) => [each.category, words(each.category)])])),
    field("how often", select("frequency", [["", "as it is"], ...FREQUENCIES.map((each) => [each, words(each)])])),
    field("quiet from", h("input", { type: "time", name: "from" })), field("until", h("input", { type: "time", name: "until" })),
    h("fieldset", null, h("legend", null, "only on"), boxes), h("button", { type: "submit" }, "Simulate the last week"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const wanted = { categories: given.get("category") ? [given.get("category")] : [] };
    if (given.get("frequency")) wanted.frequency = given.get("frequency");
    if (given.get("from") && given.get("until")) wanted.quiet_hours = `${given.get("from")}-${given.get("until")}`;
    if (given.getAll("channel").length) wanted.channels = given.getAll("channel");
    simulate(wanted);
  });
  return form;
}

export function showColleague(settings, simulate) {
  const about = [settings.zone, settings.locale, `reached by ${settings.reachable.map(words).join(", ") || "nothing"}`, settings.is_active ? null : "not active"];
  bodyOf("colleague").replaceChildren(
    h("p", { class: "note" }, about.filter(Boolean).join(" · ")),
    settings.categories.length ? table("Settings as they act now", COLUMNS, settings.categories) : empty("No category is known."),
    h("h3", null, "What if"), weekForm(settings, simulate), h("div", { id: "week", "aria-live": "polite" }));
}

const messages = (each) => each ? each.at_once + each.held + each.digests : 0;
function interruptions(each) {
  if (!each) return "–";
  const parts = [[each.at_once, "at once"], [each.held, "held"], [each.in_digests, `in ${number(each.digests)} digest${each.digests === 1 ? "" : "s"}`],
    [each.silent, "silently"], [each.waiting, "waiting"], ...Object.entries(each.skipped).map(([reason, count]) => [count, words(reason)])];
  return [number(messages(each)), h("span", { class: "sub" }, parts.filter(([count]) => count).map(([count, text]) => `${number(count)} ${text}`).join(", ") || "nothing")];
}

export function showWeek(week) {
  const of = (weeks, channel) => weeks.find((each) => each.channel === channel);
  const channels = week.then.map((each) => each.channel);
  const columns = [
    ["channel", (channel) => words(channel)], ["as it is", (channel) => interruptions(of(week.now, channel)), "wrap"],
    ["with these settings", (channel) => interruptions(of(week.then, channel)), "wrap"],
    ["change", (channel) => { const less = messages(of(week.now, channel)) - messages(of(week.then, channel)); return less > 0 ? chip("good", `${number(less)} fewer`) : less < 0 ? chip("warn", `${number(-less)} more`) : chip("unknown", "the same"); }],
  ];
  byId("week").replaceChildren(
    h("p", { class: "note" }, `${number(week.notifications)} notification${week.notifications === 1 ? "" : "s"} in the last seven days${week.is_complete ? "" : ", the newest"}; interruptions by channel. Nothing is changed.`),
    channels.length ? table("The last week", columns, channels) : empty("There was no notification in the last seven days."));
}
