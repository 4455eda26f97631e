import { describe, expect, test } from "vitest";
import type { RunSpec } from "../src/api/schema.gen";
import { costScatter, phases } from "../src/compare/chart-data";
import {
  includesPart,
  parseComposition,
  partCounts,
  toggleFile,
  toggleHunk,
} from "../src/compare/composition";
import { evidenceReason } from "../src/compare/rule-checklist";
import { checkoutCommands, defaultBranch } from "../src/decide/decision-text";
import { check, file, ranked, run, variation } from "./run-fixtures";

describe("a composition", () => {
  const two = file("a", "x");

  test("hunks come and go; all of them are the file", () => {
    const one = toggleHunk([], 1, two, 1);
    expect(one).toEqual([{ variation_id: 1, path: "a", hunks: [1] }]);
    const both = toggleHunk(one, 1, two, 0);
    expect(both).toEqual([{ variation_id: 1, path: "a", hunks: null }]);
    expect(toggleHunk(both, 1, two, 0)).toEqual(one);
    expect(toggleHunk(one, 1, two, 1)).toEqual([]);
  });

  test("a file is whole or not at all, and counts for its hunks", () => {
    const whole = toggleFile([], 2, "a");
    expect(includesPart(whole, 2, "a", 0)).toBe(true);
    expect(includesPart(whole, 1, "a", 0)).toBe(false);
    expect(toggleFile(whole, 2, "a")).toEqual([]);
  });

  test("counts files and hunks of each variation", () => {
    const tray = toggleFile(toggleHunk(toggleHunk([], 3, two, 0), 1, file("b", "z"), 1), 1, "c");
    expect(partCounts(tray)).toEqual([
      { variation: 1, files: 1, hunks: 1 },
      { variation: 3, files: 0, hunks: 1 },
    ]);
  });

  test("stored text that is no composition gives an empty one", () => {
    expect(
      parseComposition(JSON.stringify([{ variation_id: 1, path: "a", hunks: null }, { path: 3 }])),
    ).toHaveLength(1);
    expect(parseComposition("{")).toEqual([]);
    expect(parseComposition('{"a":1}')).toEqual([]);
  });
});

describe("charts", () => {
  const cheap = variation(
    1,
    { checks: [check([], { fixed: 1, still_passing: 4 })] },
    { usage: { cost_usd: 0.1 } },
  );
  const dear = variation(
    2,
    { checks: [check([], { broken: 2, still_passing: 3 })], seconds: 4 },
    { usage: { cost_usd: 0.5 } },
  );

  test("what is dearer and worse is not on the front; what breaks something is marked", () => {
    const { unit, points } = costScatter([cheap, dear]);
    expect(unit).toBe("cost");
    expect(
      points.map(({ passed, total, breaksNothing: clean, isOnFront: best }) => [
        passed,
        total,
        clean,
        best,
      ]),
    ).toEqual([
      [5, 5, true, true],
      [3, 5, false, false],
    ]);
  });

  test("without a known price it is tokens", () => {
    const spent = { usage: { cost_usd: null, input_tokens: 10 } };
    expect(costScatter([variation(1, {}, spent), variation(2, {}, spent)]).unit).toBe("tokens");
  });

  test("time is split into waiting, working and checking", () => {
    const details = run([dear]);
    expect(phases(details, details.variations)).toEqual([
      { number: 2, waiting: 5, working: 6, checking: 4 },
    ]);
  });
});

describe("texts of a decision", () => {
  const details = run([variation(1), variation(2), variation(12)], {
    id: "01a21259-5998-767c-89f8-323dee8de7be",
    spec: { prompt: "wrap() returns lines that are longer than the width!" } as RunSpec,
  });

  test("the reason that is offered is the evidence for that variation, also in a tie", () => {
    const fixes = { checks: [check([], { fixed: 1, still_passing: 7 })] };
    const equal = { fixed: 1, group_share: 2 / 3 };
    const tie = run([variation(1, fixes), variation(2, fixes), variation(3, { checks: [] })], {
      ranking: {
        ...ranked([1, 2, 3]),
        reasons: ["Variations 1 and 2 prove the same; nothing that was run tells them apart."],
        standings: [
          { variation_id: 1, ...equal },
          { variation_id: 2, ...equal },
          { variation_id: 3 },
        ],
      },
    });
    expect(evidenceReason(tie, 2)).toBe(
      "Variation 2 fixes 1 of 1 that failed on the base; breaks 0 of 7 that passed; 2 of 3 behave alike.",
    );
    expect(evidenceReason(tie, 4)).toBe("");
  });

  test("the branch is called as the server would call it", () => {
    expect(defaultBranch(details)).toBe(
      "aideator/ee8de7be-wrap-returns-lines-that-are-longer-than".slice(0, 58),
    );
  });

  test("what to type, before and after it was published", () => {
    expect(checkoutCommands(details).map((each) => each.command)).toEqual([
      "aideator apply ee8de7be",
    ]);
    const publication = { remote: "r", branch: "aideator/x", commit: "c" };
    const published = { ...details, publication };
    expect(checkoutCommands(published).map((each) => each.command)).toEqual([
      "git fetch origin aideator/x && git switch aideator/x",
    ]);
    const local = { ...published, spec: { ...details.spec, repo_url: "/srv/project" } };
    expect(checkoutCommands(local)[0]?.command).toBe("git switch aideator/x");
  });
});
