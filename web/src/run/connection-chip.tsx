import type { StreamConnection } from "../stream/run-stream";
import { Chip } from "../ui/chip";
import { formatCount } from "../ui/format";
import { useNow } from "../ui/use-now";

/** State of this browser's connection. It tells nothing about the run, which goes on without it. */
export function ConnectionChip({ connection }: { connection: StreamConnection }) {
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
        <Chip tone="warn" glyph="◌">
          {`reconnecting · ${Math.max(0, Math.round((now - connection.since) / 1000))} s`}
        </Chip>
      );
    case "refused":
      return (
        <Chip tone="bad" glyph="✗">
          {connection.why === "unauthorized" ? "log in again" : "gone"}
        </Chip>
      );
    case "ended":
      return <Chip glyph="■">ended</Chip>;
  }
}
