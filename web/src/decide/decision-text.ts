/**
 * Texts and commands of the decision dialogs, all of which are known before the decision is taken.
 */
import type { RunDetails, RunSpec } from "../api/schema.gen";
import { shortId } from "../ui/format";
import { visibleLine } from "../ui/visible-text";

const MAX_SLUG_LENGTH = 40;

/** Return the branch name that the server uses when none is given. */
export function defaultBranch(details: RunDetails): string {
  const words = details.spec.prompt.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const slug = words.slice(0, MAX_SLUG_LENGTH).replace(/^-+|-+$/g, "");
  return `aideator/${shortId(details.id)}-${slug || "change"}`;
}

/**
 * Whether the repository is a folder on the server's machine: it can get a branch, but no pull
 * request.
 */
export function isLocalRepository(spec: RunSpec): boolean {
  return (spec.repo_url ?? "").startsWith("/");
}

export interface ShellCommand {
  readonly label: string;
  readonly command: string;
}

/** Return the commands that bring the winner into a checkout. */
export function checkoutCommands(details: RunDetails): readonly ShellCommand[] {
  const { publication } = details;
  const apply = {
    label: "Apply to a branch of your checkout",
    command: `aideator apply ${shortId(details.id)}`,
  };
  if (!publication) return [apply];
  const { branch } = publication;
  // A local repository was pushed to directly: it has the branch, and need not have a remote.
  const command = isLocalRepository(details.spec)
    ? `git switch ${branch}`
    : `git fetch origin ${branch} && git switch ${branch}`;
  return [{ label: "Switch to the branch", command }];
}

/** Describe what publishing will do, in one sentence. */
export function publishEffect(
  details: RunDetails,
  branch: string,
  withPullRequest: boolean,
): string {
  const remote = visibleLine(details.spec.repo_url ?? "");
  const push = `Pushes branch ${visibleLine(branch)} to ${remote}`;
  return withPullRequest
    ? `${push} and opens a pull request that includes the evidence.`
    : `${push}.`;
}
