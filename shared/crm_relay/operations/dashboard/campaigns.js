// Running campaigns: one card each, its steps as a funnel.
import { bodyOf, byId, chip, empty, h, number, percent, s, table, words } from "./dom.js";

const WIDTH = 300, HEIGHT = 8;
const PARTS = [["sent", "good"], ["pending", "wait"], ["skipped", "warn"], ["stopped", "rest"], ["failed", "bad"]];

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

const share = (count, of) => (count && of ? [number(count), h("span", { class: "sub" }, percent((100 * count) / of))] : number(count));
const ofMail = (step, name) => (step.channel === "email" ? share(step[name], step.sent) : "–");

function card({ campaign, steps }) {
  const most = Math.max(...steps.map((each) => each.reached), 1);
  const honest = steps.every((each) => each.holds);
  const columns = [
    ["step", (each) => [`${each.step_number} · ${each.channel}`, each.is_active ? null : " (off)",
      each.subject ? h("span", { class: "sub" }, each.subject) : null, each.ab_winner ? h("span", { class: "sub" }, `winner: ${each.ab_winner}`) : null, bar(each, most)]],
    ...["reached", "sent", "skipped", "failed", "pending", "stopped"].map((name) => [name, (each) => number(each[name]), "n"]),
    ["opened", (each) => ofMail(each, "opened"), "n"], ["clicked", (each) => ofMail(each, "clicked"), "n"],
    ["replied", (each) => share(each.replied, each.sent), "n"],
  ];
  return h("article", { class: "campaign", "data-campaign": campaign.id, "aria-label": campaign.name },
    h("h3", null, campaign.name, honest ? null : chip("bad", "does not add up")),
    h("dl", { class: "figures" }, [["on the way", campaign.total_active], ["completed", campaign.total_completed], ["e-mails sent", campaign.total_sent]].map(([label, value]) =>
      h("div", null, h("dt", null, label), h("dd", { "data-figure": words(label) }, number(value))))),
    steps.length ? table(`Steps of ${campaign.name}`, columns, steps) : empty("It has no step."));
}

export function showCampaigns(funnels) {
  byId("campaigns-note").textContent = funnels.length ? `${number(funnels.length)} running · opens and clicks without those of scanners` : "";
  bodyOf("campaigns").replaceChildren(funnels.length ? h("div", { class: "campaigns" }, funnels.map(card)) : empty("No campaign is running."));
}
