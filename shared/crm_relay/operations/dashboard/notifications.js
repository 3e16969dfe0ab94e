// Notifications to colleagues: what waits, was held and failed by channel, and the templates with a preview.
import { get, post } from "./api.js";
import { showColleague, showWeek } from "./colleague.js";
import { at, bodyOf, byId, chip, empty, h, number, section, table, words } from "./dom.js";
import { attempt, say, unfold } from "./page.js";

const MOST = 10_000;
const count = (value) => (value >= MOST ? `${number(MOST)} or more` : number(value));
const sum = (reasons) => Object.values(reasons).reduce((total, each) => total + each, 0);
// So many, and below it for which reasons.
const counted = (reasons) => [count(sum(reasons)), Object.keys(reasons).length
  ? h("span", { class: "sub" }, Object.entries(reasons).map(([reason, each]) => `${words(reason)} ${number(each)}`).join(", ")) : null];
const trouble = (each) => (each.failed || each.unknown
  ? chip("bad", [each.failed ? `${count(each.failed)} failed` : "", each.unknown ? `${count(each.unknown)} unknown` : ""].filter(Boolean).join(", "))
  : chip("good", "none"));

const COLUMNS = [
  ["channel", (each) => words(each.channel)],
  ["due", (each) => count(each.due), "n"], ["held", (each) => counted(each.held), "n"],
  ["in digests", (each) => count(each.in_digests), "n"], ["next leaves", (each) => at(each.next_at)],
  ["on the way", (each) => count(each.on_the_way), "n"], ["sent 24 h", (each) => count(each.sent), "n"],
  ["left out 24 h", (each) => counted(each.skipped), "n"], ["trouble", trouble],
];

function state(each) {
  if (each.problems.length) return [chip("bad", "cannot be sent"), h("span", { class: "sub" }, each.problems.join("; "))];
  if (!each.is_active) return chip("unknown", "off");
  return each.is_overridden ? chip("unknown", "overridden") : chip("good", each.org_id ? "organization" : "system");
}

function showPreview(found) {
  const parts = [["title", found.title], ["message", found.message], ["link", found.action_url], ["e-mail", found.email?.subject], ["", found.email?.text], ["text message", found.sms]];
  return h("div", { class: "preview", "data-preview": found.slug },
    h("p", { class: "note" }, Object.keys(found.samples).length ? `Values in it are made up: ${Object.keys(found.samples).join(", ")}.` : "It has no variables."),
    h("dl", null, parts.filter(([, text]) => text).flatMap(([name, text]) => [h("dt", null, name), h("dd", null, text)])));
}

function showNotifications(channels, templates) {
  const total = (of) => channels.reduce((all, each) => all + of(each), 0);
  const failed = total((each) => each.failed + each.unknown);
  byId("notifications-note").textContent =
    `${count(total((each) => sum(each.held)))} held · ${count(total((each) => each.in_digests))} in digests${failed ? ` · ${count(failed)} failed or unknown` : ""}`;
  const columns = [
    ["template", (each) => [each.name, h("span", { class: "sub mono" }, `${each.slug} v${each.version}`)]],
    ["category", (each) => each.category], ["channels", (each) => each.channels.map(words).join(", "), "wrap"],
    ["variables", (each) => each.variables.map((one) => one.name).join(", ") || "–", "wrap"], ["state", state, "wrap"],
    ["", (each) => h("button", { type: "button", class: "small", "data-template": each.slug, "aria-label": `Preview ${each.name}`, onclick: (event) => preview(each, event.target) }, "Preview"), "act"],
  ];
  bodyOf("notifications").replaceChildren(table("Notifications by channel", COLUMNS, channels), h("h3", null, "Templates"),
    templates.length ? table("Templates", columns, templates) : empty("There is no template."));
}

const preview = (each, button) => unfold(button, () => post("/api/notifications/templates/preview", { slug: each.slug, organization: each.org_id }), showPreview);

async function lookUp(event) {
  event.preventDefault();
  const who = byId("colleague-who").value.trim();
  const found = await attempt(() => get(`/api/notifications/settings?who=${encodeURIComponent(who)}`));
  if (!found) return;
  say("");
  showColleague(found, async (wanted) => {
    const week = await attempt(() => post("/api/notifications/settings/week", { who, ...wanted }));
    if (week) { say(""); showWeek(week); }
  });
}

const form = () => h("form", { id: "colleague-form", class: "why-form", onsubmit: lookUp },
  h("label", { for: "colleague-who" }, "E-mail address or user id of a colleague"),
  h("span", null, h("input", { id: "colleague-who", type: "search", required: true, autocomplete: "off", spellcheck: "false", maxlength: "320" }), h("button", { type: "submit" }, "Show")));

export const notifications = {
  title: "Notifications",
  parts: () => [],
  paths: () => ["/api/notifications", "/api/notifications/templates"],
  mount: () => [section("notifications", "Notifications"),
    section("colleague", "Notifications of a colleague", { note: "settings as they act now, and the last week with others", before: form() })],
  show: (_data, [channels, templates]) => showNotifications(channels, templates),
};
