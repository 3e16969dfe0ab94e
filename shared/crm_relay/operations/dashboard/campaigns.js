// Campaigns in every state; one of them with its steps and people, and a single mail, have addresses below it.
import { at, bodyOf, byId, chip, choices, empty, number, section, sub, table } from "./dom.js";
import { hrefOf, link } from "./page.js";
import { campaign } from "./campaign.js";
import { mail } from "./mail.js";

const STATES = [["", "All"], ["active", "Active"], ["draft", "Draft"], ["paused", "Paused"], ["completed", "Completed"], ["cancelled", "Cancelled"], ["archived", "Archived"]];
export const CAMPAIGN_TONES = { active: "good", draft: "unknown", paused: "warn", completed: "unknown", cancelled: "unknown", archived: "unknown" };
const PAGE = 25;
const stateOf = (here) => (STATES.some(([state]) => state === here.query.get("state")) ? here.query.get("state") : "");
const pageOf = (here) => Math.max(1, Math.min(1000, Number.parseInt(here.query.get("page") ?? "1", 10) || 1));

const COLUMNS = [
  ["campaign", (each) => [link(`campaigns/${each.id}`, each.name), sub(each.topic ? `topic ${each.topic}` : "no topic")], "wrap"],
  ["state", (each) => chip(CAMPAIGN_TONES[each.status] ?? "unknown", each.status)],
  ["steps", (each) => number(each.steps), "n"], ["on the way", (each) => number(each.total_active), "n"],
  ["e-mails sent", (each) => number(each.total_sent), "n"], ["completed", (each) => number(each.total_completed), "n"],
  ["since", (each) => [at(each.activated_at ?? each.created_at), sub(each.activated_at ? "activated" : "created")]],
];

const list = {
  parts: () => [],
  paths: (here) => [`/api/campaigns?limit=${PAGE + 1}&offset=${(pageOf(here) - 1) * PAGE}${stateOf(here) ? `&status=${stateOf(here)}` : ""}`],
  mount: () => [section("campaigns", "Campaigns")],
  show(_data, [rows], here) {
    const state = stateOf(here), page = pageOf(here);
    byId("view-tools").replaceChildren(choices("State", STATES, state, (each) => hrefOf("campaigns", { state: each })));
    const shown = rows.slice(0, PAGE), turns = [page > 1 && link("campaigns", "Previous page", { state, page: page - 1 }), rows.length > PAGE && link("campaigns", "Next page", { state, page: page + 1 })].filter(Boolean);
    byId("campaigns-note").textContent = state ? "" : "those that run first; archived ones have a list of their own";
    bodyOf("campaigns").replaceChildren(shown.length ? table("Campaigns", COLUMNS, shown) : empty(state ? `No campaign is ${state}.` : "There is no campaign yet: crm-relay campaign create makes one of a file."));
    if (turns.length) bodyOf("campaigns").append(Object.assign(document.createElement("p"), { className: "paging" }));
    bodyOf("campaigns").querySelector(".paging")?.append(...turns.flatMap((each) => [each, " "]));
  },
};

// #/campaigns, #/campaigns/<id>, #/campaigns/<id>/mails/<id>
const within = ({ args }) => (args[1] === "mails" && args[2] ? mail : args[0] ? campaign : list);

export const campaigns = {
  title: "Campaigns",
  parts: (here) => within(here).parts(here),
  paths: (here, role) => within(here).paths(here, role),
  mount: (here) => within(here).mount(here),
  show: (data, more, here) => within(here).show(data, more, here),
};
