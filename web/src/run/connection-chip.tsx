import type { RunStatus } from "../api/schema.gen";
import type { StreamConnection } from "../stream/run-stream";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { formatCount } from "../ui/format";
import { useNow } from "../ui/use-now";

interface Props {
  readonly connection: StreamConnection;
  /** Status of a run that has ended; null while it is in progress. */
  readonly status: RunStatus | null;
  /** Open the stream again. */
  readonly onRetry: () => void;
}

/** How the run ended, and the state of this browser's connection unless that is as it should be. */
export function ConnectionChip({ connection, status, onRetry }: Props) {
  if (status === null) return <StreamChip connection={connection} onRetry={onRetry} />;
  const isQuiet = ["live", "connecting", "ended"].includes(connection.state);
  return (
    <>
      <EndChip status={status} />
      {!isQuiet && <StreamChip connection={connection} onRetry={onRetry} />}
    </>
  );
}

function EndChip({ status }: { status: RunStatus }) {
  switch (status) {
    case "failed":
      return (
        <Chip tone="bad" glyph="✗">
          failed
        </Chip>
      );
    case "cancelled":
    case "interrupted":
      return (
        <Chip tone="warning" glyph="■">
          {status}
        </Chip>
      );
    default:
      return <Chip glyph="■">ended</Chip>;
  }
}

/** State of this browser's connection. It tells nothing about the run, which goes on without it. */
function StreamChip({ connection, onRetry }: Omit<Props, "status">) {
  const now = useNow(1_000, connection.state === "reconnecting");
  switch (connection.state) {
    case "live":
      return (
        <Chip tone="good" glyph="●">
          live
        </Chip>
      );
    case "connecting":
      return <Chip glyph="○">connecting</Chip>;
    case "replaying":
      return <Chip glyph="◐">{`reading ${formatCount(connection.left)} events`}</Chip>;
    case "offline":
      return (
        <Chip tone="warning" glyph="◌">
          offline
        </Chip>
      );
    case "polling":
      return (
        <>
          <Chip tone="warning" glyph="◐">
            no live stream · read every few seconds
          </Chip>
          <Button size="s" onClick={onRetry}>
            Try again
          </Button>
        </>
      );
    case "reconnecting":
      return (
        <Chip tone="warning" glyph="◌">
          {`reconnecting · ${Math.max(0, Math.round((now - connection.since) / 1000))} s`}
        </Chip>
      );
    case "refused":
      return (
        <Chip tone="bad" glyph="✗">
          {connection.why === "unauthorized" ? "log in again" : "run not found"}
        </Chip>
      );
    case "ended":
      return <Chip glyph="■">ended</Chip>;
  }
}
