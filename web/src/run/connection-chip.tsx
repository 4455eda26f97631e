import type { RunStatus } from "../api/schema.gen";
import type { StreamConnection } from "../stream/run-stream";
import { Chip } from "../ui/chip";
import { formatCount } from "../ui/format";
import { useNow } from "../ui/use-now";

interface Props {
  readonly connection: StreamConnection;
  /** Status of the run, which is shown when the stream has ended. */
  readonly status: RunStatus | null;
}

/** State of this browser's connection. It tells nothing about the run, which goes on without it. */
export function ConnectionChip({ connection, status }: Props) {
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
      return <Chip glyph="■">{status === "failed" ? "failed" : "ended"}</Chip>;
  }
}
