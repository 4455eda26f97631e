/** The rule of the recommendation as a checklist: what was counted for a variation. */
import type { Change, CheckChange, CrossTest, RunDetails, Verdict } from "../api/schema.gen";
import { formatThousands, pluralize } from "../ui/format";

export interface ChecklistItem {
  readonly state: "yes" | "partly" | "no";
  readonly text: string;
}

/** Share of all variations that must behave alike: `COMMON_SHARE` of `selection/confidence.py`. */
const COMMON_SHARE = 1 / 3;

/** Return what was counted for a variation; empty where it has no verdict. */
export function ruleChecklist(details: RunDetails, number: number): readonly ChecklistItem[] {
  const verdict = details.variations[number - 1]?.verdict;
  if (!verdict) return [];
  return [
    ...testItems(verdict),
    ...peerItems(number, details.evidence?.cross_tests ?? []),
    ...alikeItems(details, number),
    ...flagItems(details, number),
  ];
}

function testItems(verdict: Verdict): readonly ChecklistItem[] {
  const checks = (verdict.checks ?? []).filter(isDeciding);
  if (checks.length === 0) return [{ state: "no", text: "no check was run" }];
  const [fixed, broken, gone] = [sum(checks, "fixed"), sum(checks, "broken"), sum(checks, "gone")];
  const before = fixed + sum(checks, "still_failing");
  const passed = broken + sum(checks, "still_passing");
  const items: ChecklistItem[] = [];
  if (before > 0)
    items.push({
      state: shareState(fixed, before),
      text: `fixes ${formatThousands(fixed)} of ${formatThousands(before)} that failed on the base`,
    });
  if (passed > 0)
    items.push({
      state: broken ? "no" : "yes",
      text: `breaks ${formatThousands(broken)} of ${formatThousands(passed)} that passed`,
    });
  if (gone) items.push({ state: "no", text: `${pluralize(gone, "test")} of the base did not run` });
  return items;
}

function shareState(part: number, all: number): ChecklistItem["state"] {
  if (part === all) return "yes";
  return part > 0 ? "partly" : "no";
}

/** Whether a check counts for the ranking: tests and builds do. */
function isDeciding(check: CheckChange): boolean {
  return check.kind === undefined || check.kind === "test" || check.kind === "build";
}

/** Count a change; a check that does not tell tests apart counts as one. */
function sum(checks: readonly CheckChange[], change: Change): number {
  return checks.reduce((total, check) => {
    const counts = check.counts ?? {};
    const told = Object.keys(counts).length > 0;
    return total + (told ? (counts[change] ?? 0) : Number(check.change === change));
  }, 0);
}

function peerItems(number: number, tests: readonly CrossTest[]): readonly ChecklistItem[] {
  const foreign = tests.filter((test) => !test.authors.includes(number));
  const ran = foreign.filter((test) => ["pass", "fail"].includes(test.outcomes[number] ?? ""));
  if (ran.length === 0) return [];
  const passed = ran.filter((test) => test.outcomes[number] === "pass").length;
  return [
    {
      state: shareState(passed, ran.length),
      text: `passes ${passed} of ${pluralize(ran.length, "test")} that others wrote`,
    },
  ];
}

function alikeItems(details: RunDetails, number: number): readonly ChecklistItem[] {
  const standing = details.ranking?.standings?.find((each) => each.variation_id === number);
  const total = details.ranking?.order.length ?? 0;
  const alike = Math.round((standing?.group_share ?? 0) * total);
  if (total < 2 || alike < 1) return [];
  const isCommon = (standing?.group_share ?? 0) >= COMMON_SHARE;
  if (alike === 1)
    return isCommon ? [] : [{ state: "partly", text: `no other of ${total} behaves alike` }];
  return [{ state: isCommon ? "yes" : "partly", text: `${alike} of ${total} behave alike` }];
}

function flagItems(details: RunDetails, number: number): readonly ChecklistItem[] {
  const variation = details.variations[number - 1];
  const flags = variation?.verdict?.flags?.length ?? 0;
  if (flags === 0) return [];
  const cleared = variation?.cleared != null;
  return [
    {
      state: cleared ? "partly" : "no",
      text: `${pluralize(flags, "flag")} ${cleared ? "cleared by a person" : "to review"}`,
    },
  ];
}

/** Return the evidence for a variation as one sentence, which is filed as the reason. */
export function evidenceReason(details: RunDetails, number: number): string {
  const items = ruleChecklist(details, number).map((item) => item.text);
  return items.length === 0 ? "" : `Variation ${number} ${items.join("; ")}.`;
}
