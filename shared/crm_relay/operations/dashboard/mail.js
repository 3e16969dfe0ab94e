// One mail as it was sent, and what became of it.
import { at, bodyOf, byId, chip, empty, facts, h, section, words } from "./dom.js";
import { NEEDS_OPERATE, link } from "./page.js";
import { letter } from "./campaign.js";

const TONES = { delivered: "good", opened: "good", clicked: "good", sent: "good", bounced: "bad", failed: "bad", spam: "bad", unknown: "warn", suppressed: "unknown", refused: "unknown", dry_run: "unknown" };

function showMail(found) {
  bodyOf("mail").replaceChildren(
    facts([["state", chip(TONES[found.status] ?? "unknown", words(found.status))], ["because", found.reason && words(found.reason)], ["from", found.sender], ["to", found.recipient],
      ["step", found.step_number], ["variant", found.variant], ["topic", found.topic], ["made", at(found.queued_at)], ["left", found.left_at && at(found.left_at)]]),
    found.text ? letter(found) : h("div", null, letter({ subject: found.subject, text: found.text_now ?? "Its words are not kept any more." }),
      found.text_now ? h("p", { class: "note" }, "The subject is as it was sent. The words of a mail are not kept once the provider has it: these are what its step says to this person now.") : null));
}

function showEvents(found) {
  bodyOf("events").replaceChildren(found.events.length ? h("ol", { class: "timeline events" }, found.events.map((each) => h("li", null,
    h("span", { class: "when" }, at(each.at)), h("span", { class: "what" }, words(each.kind), each.verdict === "machine" ? h("span", { class: "note" }, " by a scanner") : null))))
    : empty("Nothing was reported about it yet."));
}

export const mail = {
  parts: () => [],
  paths: ({ args }, role) => (role === "read" ? [] : [`/api/mails/${encodeURIComponent(args[2])}`]),
  mount: () => [section("mail", "As it was sent"), section("events", "What became of it")],
  show(data, [found], { args }) {
    byId("view-title").textContent = "Mail";
    byId("view-note").replaceChildren(link(`campaigns/${args[0]}`, "The campaign"));
    if (data.role === "read") return bodyOf("mail").replaceChildren(empty(`A mail is personal data. ${NEEDS_OPERATE}`));
    showMail(found);
    return showEvents(found);
  },
};
