// A reporter for jasmine: one JSON object a line for each spec, as reporter.mjs writes them.
import { appendFileSync } from "node:fs";

export default class Report {
  constructor() {
    this.suites = [];
  }

  suiteStarted(suite) {
    this.suites.push(suite.description);
  }

  suiteDone() {
    this.suites.pop();
  }

  specDone(spec) {
    const outcome = { passed: "passed", failed: "failed" }[spec.status] ?? "skipped";
    const message = spec.failedExpectations.map((each) => `${each.message}\n${each.stack ?? ""}`).join("\n");
    const line = { file: spec.filename ?? "", names: [...this.suites, spec.description], outcome, seconds: (spec.duration ?? 0) / 1000, message };
    appendFileSync(process.env.AIDEATOR_REPORT, `${JSON.stringify(line)}\n`);
    if (outcome === "failed") console.log(`${spec.fullName}\n${message}`);
  }
}
