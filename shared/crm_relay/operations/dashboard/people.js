// People: found by address or name; of one of them everything that is known, in one timeline, and what may be done.
import { post } from "./api.js";
import { bodyOf, byId, chip, empty, h, number, section, sub, table, words } from "./dom.js";
import { NEEDS_OPERATE, act, ask, hrefOf, link, order } from "./page.js";
import { momentsOf, standing, timeline } from "./timeline.js";

const STATES = { active: "good", engaged: "good", paused: "warn", replied: "good", bounced: "bad", unsubscribed: "warn" };
const GOES_ON = new Set(["active", "engaged"]);

const ORDERS = {
  pause: ["Pause", (each) => `Nothing more of ${each.campaign} is sent to this person until somebody resumes it.`, "The person is held in that campaign."],
  resume: ["Resume", (each) => `${each.campaign} goes on with the next step; what fell into the pause is done by the late policy.`, "The person goes on in that campaign."],
  cancel: ["Stop for good", (each) => `The sequence of ${each.campaign} ends for this person and cannot begin again; what waits to be sent is taken back.`, "The sequence of that campaign has ended for this person."],
};

function enrolled(each, who) {
  const orders = GOES_ON.has(each.status) ? ["pause", "cancel"] : each.status === "paused" ? ["resume", "cancel"] : [];
  const press = (what) => async () => {
    const [verb, will, told] = ORDERS[what];
    if (await ask(`${verb}: ${each.campaign}?`, will(each), verb, { danger: what === "cancel" })) await act(() => post(`/api/enrollments/${each.id}/${what}`), () => told);
  };
  return orders.map((what) => order(ORDERS[what][0], press(what), { name: `${ORDERS[what][0]} ${each.campaign} for ${who}`, data: { do: what } }));
}

// An address comes from outside: a shell that it is copied into reads it as one word.
const quoted = (who) => (/^[\w@.+][\w@.+-]*$/.test(who) ? who : `'${who.replaceAll("'", "'\\''")}'`);

function showMay(known, who) {
  const rows = known.campaigns.enrolled;
  const columns = [
    ["campaign", (each) => each.campaign, "wrap"], ["state", (each) => [chip(STATES[each.status] ?? "unknown", words(each.status)), each.stopped_reason || each.held_for ? sub(words(each.stopped_reason ?? each.held_for)) : null], "wrap"],
    ["step", (each) => number(each.current_step), "n"], ["", (each) => enrolled(each, who), "act"],
  ];
  const commands = [[`crm-relay consent grant ${quoted(who)}`, "records that this person consents again"], [`crm-relay erase ${quoted(who)}`, "forgets this person everywhere, for good"]];
  bodyOf("may").replaceChildren(rows.length ? table("Campaigns of this person", columns, rows) : empty("This person is in no campaign."),
    h("h3", null, "On the command line"), h("dl", { class: "commands" }, commands.flatMap(([command, does]) => [h("dt", null, h("code", null, command)), h("dd", null, does)])));
}

function showPerson(known, who) {
  if (!known.is_anything) {
    for (const id of ["may", "standing"]) bodyOf(id).replaceChildren(empty("–"));
    return bodyOf("why").replaceChildren(empty("Nothing is known of anybody by that name."));
  }
  const moments = momentsOf(known);
  byId("why-note").textContent = `${number(moments.length)} moments, newest first`;
  bodyOf("why").replaceChildren(h("div", { class: "answer" }, timeline(moments)));
  bodyOf("standing").replaceChildren(standing(known));
  return showMay(known, who);
}

const wanted = (here) => here.query.get("q")?.trim() ?? "";
const form = (here) => h("form", { id: "search-form", class: "why-form", role: "search", onsubmit: (event) => { event.preventDefault(); location.hash = hrefOf("people", { q: byId("search").value.trim() }); } },
  h("label", { for: "search" }, "Beginning of an e-mail address or of a last name"),
  h("span", null, h("input", { id: "search", type: "search", required: true, minlength: "2", autocomplete: "off", spellcheck: "false", maxlength: "320", value: here.args[0] ?? wanted(here) }), h("button", { type: "submit", class: "primary" }, "Search")));

const KINDS = { contact: "contact of campaigns", customer: "customer" };
function showFound(rows, here) {
  const columns = [
    ["person", (each) => [link(`people/${encodeURIComponent(each.address ?? each.id)}`, each.name || each.address || each.id), each.name && each.address ? sub(each.address) : null], "wrap"],
    ["company", (each) => each.company ?? "–", "wrap"], ["known as", (each) => each.kinds.map((kind) => KINDS[kind] ?? kind).join(", "), "wrap"],
  ];
  byId("found-note").textContent = rows.length > MOST ? `the first ${number(MOST)}: write more of the name` : "";
  bodyOf("found").replaceChildren(wanted(here) ? rows.length ? table("People found", columns, rows.slice(0, MOST)) : empty("Nobody is found. An id of a customer or of Mautic works as well: ")
    : empty("An address leads to everything that is known of a person."));
  if (wanted(here) && !rows.length) bodyOf("found").lastChild.append(link(`people/${encodeURIComponent(wanted(here))}`, `look up ${wanted(here)}`));
}

const MOST = 25;
export const people = {
  title: "People",
  parts: () => [],
  paths: (here, role) => (role === "read" ? [] : here.args[0] ? [`/api/why?who=${encodeURIComponent(here.args[0])}`] : wanted(here) ? [`/api/people?q=${encodeURIComponent(wanted(here))}&limit=${MOST + 1}`] : []),
  mount: (here) => [h("section", { id: "find", "aria-label": "Find somebody" }, form(here)), ...(here.args[0]
    ? [section("may", "What may be done"), section("why", "Timeline"), section("standing", "As it is now")] : [section("found", "People")])],
  show(data, [answer], here) {
    if (data.role === "read") {
      for (const body of document.querySelectorAll("#view .body")) body.replaceChildren(empty(`Who somebody is, is personal data. ${NEEDS_OPERATE}`));
      return;
    }
    if (!here.args[0]) return void showFound(answer ?? [], here);
    byId("view-title").textContent = here.args[0];
    byId("view-note").replaceChildren(link("people", "Search"));
    showPerson(answer, here.args[0]);
  },
};
