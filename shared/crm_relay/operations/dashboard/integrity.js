// What the checks found, what was fixed with before and after, and a check by order.
import { get, post, token } from "./api.js";
import { ago, at, bodyOf, byId, chip, differences, empty, h, number, section, table, words } from "./dom.js";
import { NEEDS_OPERATE, act, ask, attempt, order, say, unfold } from "./page.js";

const LOOK_MS = 1_000, WAIT_FOR_A_WORKER_MS = 120_000, CHECK_BUTTONS = ["check", "check-fix"];
let caller = null, role = null, shown = null;

const compare = (each, button) => unfold(button, () => get(`/api/integrity/fixes/${each.id}`), (fix) => differences(fix.before, fix.after));
async function undo(each) {
  if (await ask("Undo this fix?", "What was there before is put back.", "Undo"))
    await act(() => post(`/api/integrity/fixes/${each.id}/revert`), () => "The fix is undone.");
}

// What could not be looked at is not called clean.
function unseen(check) {
  const whats = Object.groupBy(Object.keys(check.unseen), (what) => check.unseen[what]);
  return Object.entries(whats).map(([why, names]) =>
    h("span", { class: "sub" }, `not seen${names.some((name) => name !== check.check && name !== "all") ? ` ${names.join(", ")}` : ""}: ${why}`));
}

function showIntegrity(found, role) {
  const run = found.runs[0], why = role === "read" ? NEEDS_OPERATE : null;
  byId("integrity-note").textContent = !run ? "" : run.finished_at
    ? `last check ${ago(run.finished_at)} by ${run.ordered_by}${run.status === "success" ? "" : `, ${run.status}`}`
    : `a check of ${run.ordered_by} is at work`;
  if (!run) return bodyOf("integrity").replaceChildren(empty("No check has run yet."));
  const told = found.checks.filter((each) => each.found || each.standing || Object.keys(each.unseen).length);
  const clean = found.checks.filter((each) => !told.includes(each)).map((each) => words(each.check));
  const checks = [told.length ? table("Checks of the last run", [
    ["check", (each) => [words(each.check), ...unseen(each)]], ["found", (each) => number(each.found), "n"], ["fixed", (each) => number(each.fixed), "n"],
    ["standing", (each) => number(each.standing), "n"],
    ["", (each) => (each.asks ? chip("bad", "asks") : each.standing ? chip("warn", "look") : Object.keys(each.unseen).length ? chip("unknown", "not seen") : chip("good", "mended")), "act"],
  ], told, false) : null, clean.length ? h("p", { class: "clean" }, chip("good", `${number(clean.length)} clean`), h("span", { class: "note" }, clean.join(", "))) : null];
  const findings = found.findings.length ? table("Findings", [
    ["finding", (each) => [words(each.check_name), h("span", { class: "sub mono" }, `${each.entity} ${(each.row_id ?? "").slice(0, 8)}`)]],
    ["what", (each) => each.what ?? "–", "wrap"], ["state", (each) => chip(each.status === "needs_approval" ? "bad" : "warn", words(each.status))],
    ["since", (each) => at(each.found_at)],
  ], found.findings) : empty("Nothing stands open.");
  const fixes = found.fixes.length ? table("Fixes", [
    ["fix", (each) => [words(each.action), h("span", { class: "sub mono" }, `${each.entity} ${(each.row_id ?? "").slice(0, 8)}`)], "wrap"],
    ["when", (each) => [at(each.fixed_at), h("span", { class: "sub" }, `by ${each.fixed_by}`)]],
    ["", (each) => each.reverted_at
      ? chip("unknown", `undone by ${each.reverted_by}`)
      : [order("Before/after", (of) => compare(each, of), { why }), order("Undo", () => undo(each), { why, data: { undo: each.id } })], "act"],
  ], found.fixes) : empty("Nothing was fixed automatically.");
  bodyOf("integrity").replaceChildren(...checks.filter(Boolean), h("h3", null, "Findings"), findings, h("h3", null, "Fixes"), fixes);
}

async function check(fix) {
  if (role === "read") return void say(NEEDS_OPERATE, "bad");
  if (byId("check").getAttribute("aria-disabled") === "true") return undefined;
  if (fix && !(await ask("Check, and fix what may be fixed?", "Each fix is kept with what was there before, and can be undone.", "Check and fix"))) return undefined;
  return attempt(async () => {
    const [newest] = (await get("/api/integrity")).runs;
    await post("/api/integrity/check", { fix });
    say("Ordered. The check begins as soon as a worker is free.");
    CHECK_BUTTONS.forEach((id) => byId(id)?.setAttribute("aria-disabled", "true"));
    try {
      await follow(newest?.id ?? 0);
    } finally {
      CHECK_BUTTONS.forEach((id) => byId(id)?.removeAttribute("aria-disabled"));
    }
  });
}

// Looks every second until the run that was ordered after run `before` has ended, or somebody leaves the view.
async function follow(before) {
  for (const began = Date.now(), mine = caller, there = shown; token.get() && mine === caller && there.isConnected; ) {
    const found = await get("/api/integrity");
    const run = found.runs.find((each) => each.id > before && each.ordered_by === mine);
    if (run?.finished_at) {
      const sum = (name) => number(found.checks.reduce((total, each) => total + each[name], 0));
      const blind = found.checks.some((each) => Object.keys(each.unseen).length) ? " Not everything could be looked at." : "";
      if (there.isConnected) showIntegrity(found, role);
      return run.status === "failed" ? say(`The check failed: ${run.error ?? "its reason needs the role operate"}`, "bad") : say(`Check done: ${sum("found")} found, ${sum("fixed")} fixed.${blind}`);
    }
    if (run) say("The check is at work.");
    else if (Date.now() - began > WAIT_FOR_A_WORKER_MS) return say("No worker has taken the order up yet; it is not lost.");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return undefined;
}

export const integrity = {
  title: "Integrity",
  parts: () => ["integrity"],
  paths: () => [],
  mount() {
    const buttons = token.get() ? [h("button", { type: "button", id: "check", onclick: () => check(false) }, "Check now"),
      h("button", { type: "button", id: "check-fix", onclick: () => check(true) }, "Check and fix")] : [];
    shown = section("integrity", "Integrity", { tools: buttons });
    return [shown];
  },
  show(data) {
    [caller, role] = [data.caller, data.role];
    for (const id of CHECK_BUTTONS) if (role === "read") { byId(id).setAttribute("aria-disabled", "true"); byId(id).title = NEEDS_OPERATE; }
    showIntegrity(data.integrity, role);
  },
};
