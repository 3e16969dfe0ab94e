// One campaign: its steps as a funnel, where its people are, what it says to one of them, and what may be ordered.
import { post } from "./api.js";
import { at, bodyOf, byId, chip, choices, empty, facts, h, many, number, percent, s, section, sub, table, words } from "./dom.js";
import { NEEDS_OPERATE, act, ask, attempt, hrefOf, link, order, say } from "./page.js";

const WIDTH = 300, HEIGHT = 8;
const PARTS = [["sent", "good"], ["pending", "wait"], ["skipped", "warn"], ["stopped", "rest"], ["failed", "bad"]];
const TONES = { active: "good", draft: "unknown", paused: "warn", completed: "unknown", cancelled: "unknown", archived: "unknown" };
const PERSON = { active: "good", engaged: "good", paused: "warn", replied: "good", bounced: "bad", unsubscribed: "warn", stopped: "unknown", completed: "unknown" };
const CHANNELS = { email: "e-mail", sms: "text message", linkedin: "LinkedIn task", phone: "call", task: "task", wait: "wait" };

// How many reached this step of those who reached the first one, and what became of them; the same is said in words.
function bar(step, most) {
  const label = `${number(step.reached)} reached: ${PARTS.map(([name]) => `${number(step[name])} ${name}`).join(", ")}`;
  let left = 0;
  const parts = PARTS.filter(([name]) => step[name]).map(([name, kind]) => {
    const width = (WIDTH * step[name]) / most;
    const part = s("rect", { class: `part ${kind}`, x: left.toFixed(1), width: Math.max(width, 1).toFixed(1), y: 0, height: HEIGHT });
    left += width;
    return part;
  });
  return s("svg", { class: "funnel", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    s("rect", { class: "part well", x: 0, y: 0, width: WIDTH, height: HEIGHT }), parts);
}

const share = (count, of) => [number(count), count && of >= 20 ? sub(percent((100 * count) / of)) : count && of ? sub(`of ${number(of)}`) : null];
const ofMail = (step, name) => (step.channel === "email" ? share(step[name], step.sent) : "–");

function showSteps({ campaign, steps }) {
  const most = Math.max(...steps.map((each) => each.reached), 1);
  byId("steps-note").textContent = steps.every((each) => each.holds) ? "opens and clicks without those of scanners" : "a step does not add up: see Integrity";
  bodyOf("steps").replaceChildren(steps.length ? table(`Steps of ${campaign.name}`, [
    ["step", (each) => [`${each.step_number} · ${CHANNELS[each.channel] ?? each.channel}${each.is_active ? "" : " (off)"}`,
      each.subject ? sub(each.subject) : null, each.ab_winner ? sub(`winner: ${each.ab_winner}`) : null, bar(each, most)]],
    ...["reached", "sent", "skipped", "failed", "pending", "stopped"].map((name) => [name, (each) => number(each[name]), "n"]),
    ["opened", (each) => ofMail(each, "opened"), "n"], ["clicked", (each) => ofMail(each, "clicked"), "n"],
    ["replied", (each) => share(each.replied, each.sent), "n"],
  ], steps) : empty("It has no step."));
}

const onTheWay = (people) => (people.active ?? 0) + (people.engaged ?? 0);
const waits = (shown) => shown.waiting.filter((each) => each.channel !== "step").reduce((sum, each) => sum + each.number, 0);

// What an order does, in numbers, before it is given.
function consequences(shown) {
  const { campaign, people, steps } = shown, first = steps.find((each) => each.is_active), made = waits(shown);
  const going = many(onTheWay(people), "person", "people"), held = many(people.paused ?? 0, "person is", "people are");
  return {
    activate: ["Activate", [`${going} get the time of step ${first?.step_number ?? 1}: ${CHANNELS[first?.channel] ?? "nothing"}${first?.subject ? ` “${first.subject}”` : ""}.`,
      "Windows, limits, opt-outs and the mode of the mail decide about each when it is due."], (done) => `${campaign.name} is active: ${many(done.scheduled, "person has", "people have")} a time.`],
    pause: ["Pause", [`${going} are held where they are.`, `${many(made, "message that is made waits", "messages that are made wait")} as well, and leave after the campaign is resumed.`,
      "A request that is under way ends."], () => `${campaign.name} is paused.`],
    resume: ["Resume", [`${going} go on where they were held.`, "What fell into the pause is done by the late policy."], (done) => `${campaign.name} goes on: ${many(done.scheduled, "person has", "people have")} a time.`],
    cancel: ["Stop for good", [`The sequence of ${many(onTheWay(people) + (people.paused ?? 0), "person", "people")} ends, and cannot begin again.`,
      `${many(made, "message that waits is", "messages that wait are")} taken back.`, "What was sent stays sent, and its events still count."], (done) => `${campaign.name} is stopped: ${many(done.stopped, "sequence")} ended, ${many(done.taken_back, "message")} taken back.`],
    archive: ["Archive", ["It is put away: it is listed only among archived ones.", `${held} held.`], () => `${campaign.name} is archived.`],
  };
}

const MAY = { draft: ["activate", "archive"], active: ["pause", "cancel"], paused: ["resume", "cancel"], completed: ["archive"], cancelled: ["archive"], archived: [] };

function showTools(shown, role) {
  const { campaign } = shown, all = consequences(shown);
  const press = (what) => async () => {
    const [verb, list, told] = all[what];
    if (await ask(`${verb}: ${campaign.name}?`, "This is what will happen:", verb, { list, danger: what === "cancel" }))
      await act(() => post(`/api/campaigns/${campaign.id}/${what}`, what === "cancel" ? {} : undefined), told);
  };
  byId("view-tools").replaceChildren(...(MAY[campaign.status] ?? []).map((what) => order(all[what][0], press(what),
    { why: role === "read" ? NEEDS_OPERATE : null, kind: what === "cancel" ? "danger" : what === "activate" || what === "resume" ? "primary" : "", data: { do: what } })));
}

function showAbout(shown) {
  const { campaign, waiting, history, stop } = shown;
  const held = waiting.map((each) => h("li", null, `${number(each.number)} ${each.channel === "step" ? "steps" : each.channel === "sms" ? "text messages" : "e-mails"} wait`,
    each.held_for ? `: ${words(each.held_for)}` : " for the next run", each.until ? [", until ", at(each.until)] : null));
  byId("about-note").textContent = "";
  bodyOf("about").replaceChildren(
    facts([["state", chip(TONES[campaign.status] ?? "unknown", campaign.status)], ["on the way", number(campaign.total_active)], ["e-mails sent", number(campaign.total_sent)],
      ["completed", number(campaign.total_completed)], ["zone", campaign.timezone], ["topic", campaign.topic], ["activated", campaign.activated_at && at(campaign.activated_at)], ["paused", campaign.paused_at && at(campaign.paused_at)]]),
    ...(stop ? [h("p", { class: "problem" }, `An operator stopped sending: ${stop.stopped_by}.`)] : []),
    ...(held.length ? [h("h3", null, "What waits, and for what"), h("ul", { class: "plain" }, held)] : []),
    ...(history.length ? [h("details", null, h("summary", null, "Who did what with it"), h("ul", { class: "log" }, history.map((each) => h("li", null, at(each.at), ` ${words(each.change)}${each.by ? ` by ${each.by}` : ""}`))))] : []));
}

function showPeople(shown, rows, role, here) {
  const { campaign, people } = shown, state = here.query.get("state") ?? "";
  const states = [["", `All`], ...Object.entries(people).map(([name, count]) => [name, `${words(name)} ${number(count)}`])];
  const address = (query) => hrefOf(`campaigns/${campaign.id}`, query);
  byId("people-note").textContent = `${many(Object.values(people).reduce((sum, each) => sum + each, 0), "person", "people")} enrolled`;
  const filter = choices("People by state", states, state, (each) => address({ state: each }));
  if (role === "read") return bodyOf("people").replaceChildren(filter, empty(`Who they are is personal data. ${NEEDS_OPERATE}`));
  const columns = [
    ["person", (each) => [each.address ? link(`people/${encodeURIComponent(each.address)}`, each.name ?? each.address) : each.name ?? "erased", each.name && each.address ? sub(each.address) : null], "wrap"],
    ["state", (each) => [chip(PERSON[each.status] ?? "unknown", words(each.status)), each.stopped_reason ? sub(words(each.stopped_reason)) : null], "wrap"],
    ["step", (each) => number(each.current_step), "n"],
    ["next", (each) => [each.next_step_at ? at(each.next_step_at) : "–", each.held_for ? sub(words(each.held_for)) : null]],
    ["last mail", (each) => (each.mail_id ? [link(`campaigns/${campaign.id}/mails/${each.mail_id}`, words(each.mail_status)), sub(at(each.mail_at))] : "none")],
    ["", (each) => order("Preview", () => preview(campaign.id, each.address), { name: `Preview for ${each.address ?? each.id}`, why: each.address ? null : "The person was erased.", data: { do: "preview" } }), "act"],
  ];
  const next = rows.length > PAGE ? h("p", { class: "paging" }, h("a", { href: address({ state, after: rows[PAGE - 1].id }) }, "Next page")) : null;
  return bodyOf("people").replaceChildren(filter, rows.length ? table("People of the campaign", columns, rows.slice(0, PAGE)) : empty("Nobody."), ...(next ? [next] : []));
}

async function preview(id, who) {
  const found = await attempt(() => post(`/api/campaigns/${id}/preview`, { who }));
  if (!found) return;
  say("");
  byId("preview-who").value = who;
  showPreview(found);
  byId("preview").scrollIntoView({ block: "nearest" });
}

export const letter = (each) => h("div", { class: "letter" }, h("p", { class: "letter-subject" }, each.subject || "no subject"), h("div", { class: "letter-body" }, each.text || "It has no text."));

function showPreview(found) {
  bodyOf("preview").replaceChildren(...found.steps.map((each) => h("article", { class: "previewed", "aria-label": `Step ${each.step_number}` },
    h("h3", null, `Step ${each.step_number} · ${CHANNELS[each.channel] ?? each.channel}${each.variant ? ` · variant ${each.variant}` : ""}`),
    each.problem ? h("p", { class: "problem" }, each.problem) : letter(each))),
  ...(found.steps.length ? [] : [empty("None of its steps sends a message.")]));
}

const form = (id) => h("form", { id: "preview-form", class: "why-form", onsubmit: (event) => { event.preventDefault(); preview(id, byId("preview-who").value.trim()); } },
  h("label", { for: "preview-who" }, "E-mail address of a contact, whose values the mails are filled with"),
  h("span", null, h("input", { id: "preview-who", type: "search", required: true, autocomplete: "off", spellcheck: "false", maxlength: "320" }), h("button", { type: "submit" }, "Preview")));

const PAGE = 25;
export const campaign = {
  parts: () => [],
  paths({ args, query }, role) {
    const state = query.get("state"), after = query.get("after");
    return [`/api/campaigns/${encodeURIComponent(args[0])}`, ...(role === "read" ? [] : [`/api/campaigns/${encodeURIComponent(args[0])}/people?limit=${PAGE + 1}${state ? `&status=${encodeURIComponent(state)}` : ""}${after ? `&after=${encodeURIComponent(after)}` : ""}`])];
  },
  mount: ({ args }) => [section("about", "Where it is"), section("steps", "Steps"), section("people", "People"), section("preview", "Preview", { note: "nothing is sent by it", before: form(args[0]) })],
  show(data, [shown, rows], here) {
    byId("view-title").textContent = shown.campaign.name;
    byId("view-note").replaceChildren(link("campaigns", "All campaigns"));
    showTools(shown, data.role);
    showAbout(shown);
    showSteps(shown);
    showPeople(shown, rows ?? [], data.role, here);
  },
};
