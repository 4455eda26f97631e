import { Button } from "../ui/button";
import { showToast } from "../ui/toast";

/** A shell command with a button that copies it. */
export function CommandLine({ label, command }: { label: string; command: string }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      showToast("Copied.");
    } catch {
      showToast("The browser blocked copying. Select the text and copy it.", {
        tone: "bad",
      });
    }
  };
  return (
    <li>
      <span className="dim">{label}</span>
      <code>{command}</code>
      <Button variant="quiet" size="s" icon="copy" iconOnly onClick={copy}>
        {`Copy: ${label}`}
      </Button>
    </li>
  );
}
