// A reporter for `node --test` (Node 19.6 and later): one JSON object a line for each test, with its file and its path
// of names. Node's own junit reporter tells neither in which file a test stands.
export default async function* report(events) {
  const names = new Map(); // file → the names on the way to the test that runs
  const parents = new Set(); // those that hold other tests
  for await (const { type, data } of events) {
    const path = names.get(data?.file) ?? [];
    if (type === "test:start") {
      names.set(data.file, [...path.slice(0, data.nesting), data.name]);
    } else if (type === "test:pass" || type === "test:fail") {
      const cause = data.details?.error?.cause ?? data.details?.error;
      const ofChildren = data.details?.error?.failureType === "subtestsFailed";
      const own = [...path.slice(0, data.nesting), data.name];
      parents.add(JSON.stringify([data.file, path.slice(0, data.nesting)]));
      const isParent = data.details?.type === "suite" || parents.has(JSON.stringify([data.file, own]));
      const wholeFile = data.nesting === 0 && data.name === data.file;
      if (wholeFile && ofChildren) continue;
      const outcome = data.skip !== undefined || data.todo !== undefined ? "skipped" : type === "test:pass" ? "passed" : "failed";
      yield `${JSON.stringify({
        file: data.file ?? "",
        names: wholeFile ? [] : own,
        outcome: wholeFile && outcome === "failed" ? "error" : outcome,
        of_subtests: isParent && (type === "test:pass" || ofChildren),
        seconds: (data.details?.duration_ms ?? 0) / 1000,
        message: outcome === "failed" ? String(cause?.stack ?? cause ?? "") : "",
      })}\n`;
    }
  }
}
