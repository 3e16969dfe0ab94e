// EmailBison: how each workspace's webhook and senders are, and what mail providers let through.
import { ago, bodyOf, byId, chip, empty, h, number, percent, section, table } from "./dom.js";
import { daysOf, ranges } from "./overview.js";
import { plot, rateOf, rateSaid } from "./plots.js";

function webhook(each) {
  if (!each.has_webhook) return chip("unknown", "none");
  if (each.is_silent) return chip("bad", "silent");
  return each.is_healthy ? chip("good", "healthy") : chip("bad", each.deliveries_24h ? "failing" : "silent");
}

function showWorkspaces(rows) {
  const columns = [
    ["workspace", (each) => each.name],
    ["webhook", (each) => [webhook(each), each.rejected_in_a_row ? h("span", { class: "sub" }, `${number(each.rejected_in_a_row)} refused in a row`) : null]],
    ["last", (each) => ago(each.last_webhook_at)],
    ["deliveries", (each) => number(each.deliveries_24h), "n"], ["success", (each) => percent(each.success_rate_24h), "n"],
    ["sent", (each) => number(each.emails_sent), "n"], ["replies", (each) => number(each.replies), "n"],
    ["interested", (each) => number(each.interested), "n"], ["bounced", (each) => number(each.bounced), "n"],
    ["unsubscribed", (each) => number(each.unsubscribed), "n"],
    ["senders up", (each) => (each.accounts ? `${number(each.connected_accounts)} of ${number(each.accounts)}` : "–"), "n"],
  ];
  bodyOf("workspaces").replaceChildren(rows.length ? table("Workspaces", columns, rows) : empty("No workspace yet."));
}

const MOST_PROVIDERS = 6;
const sum = (list, field) => list.reduce((total, each) => total + each[field], 0);

function showProviders(rows, wanted) {
  const since = new Date(Date.now() - wanted * 86400e3).toISOString().slice(0, 10);
  const shown = rows.filter((each) => each.day >= since);
  const days = [...new Set(shown.map((each) => each.day))].sort();
  byId("providers-note").textContent = days.length ? `${number(days.length)} daily snapshot${days.length === 1 ? "" : "s"}, all workspaces` : "";
  if (!days.length) return bodyOf("providers").replaceChildren(empty("No daily snapshot in this range; one is taken every night."));
  const names = [...new Set(shown.map((each) => each.provider))].sort((one, other) => sum(shown.filter((each) => each.provider === other), "sent") - sum(shown.filter((each) => each.provider === one), "sent"));
  const found = new Map(shown.map((each) => [`${each.day}|${each.provider}`, each]));
  const own = (name) => days.map((day) => found.get(`${day}|${name}`) ?? null);
  const rates = names.slice(0, MOST_PROVIDERS).map((name, place) => {
    const of = own(name), all = of.filter(Boolean);
    return { name, tone: `s${place + 1}`, values: of.map((row) => (row ? rateOf(row.replies, row.sent) : null)),
      said: (at) => (of[at] ? rateSaid(of[at].replies, of[at].sent, 2) : "nothing"), total: rateSaid(sum(all, "replies"), sum(all, "sent"), 2) };
  });
  const sent = [{ name: "sent by all senders", tone: "s1", values: days.map((day) => sum(shown.filter((each) => each.day === day), "sent")), total: number(sum(shown, "sent")) }];
  const last = shown.filter((each) => each.day === days.at(-1));
  return bodyOf("providers").replaceChildren(h("div", { class: "plots" },
    plot({ id: "sent", title: "E-mails by day", buckets: days, series: sent, kind: "stacked" }),
    plot({ id: "rates", title: "Reply rate by provider", buckets: days, series: rates, kind: "rates", unit: " %", note: "Days with fewer than 20 e-mails have their count and no point." })),
    h("h3", null, "Sender accounts on the last day"), table("Sender accounts on the last day", [
      ["provider", (each) => each.provider], ["accounts", (each) => number(each.accounts), "n"],
      ["connected", (each) => number(each.connected_accounts), "n"], ["sent", (each) => number(each.sent), "n"],
      ["replies", (each) => number(each.replies), "n"],
    ], last, false));
}

export const outreach = {
  title: "Outreach",
  parts: () => ["workspaces"],
  paths: (here) => [`/api/providers?days=${daysOf(here, 30)}`],
  mount: () => [section("workspaces", "Workspaces", { note: "webhooks of the last 24 hours, counters of the month" }), section("providers", "Senders and providers")],
  show(data, [days], here) {
    byId("view-tools").replaceChildren(ranges("outreach", daysOf(here, 30)));
    showWorkspaces(data.workspaces);
    showProviders(days, daysOf(here, 30));
  },
};
