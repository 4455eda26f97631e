import { useState } from "react";
import type { Disk, SettingOut } from "../api/schema.gen";
import { useGet } from "../app/query";
import { Chip } from "../ui/chip";
import { line } from "../ui/plain";
import { Prose } from "../ui/prose";
import { Failed, Skeleton } from "../ui/states";
import { KeysPart } from "./keys";
import styles from "./pages.module.css";
import { Sheet, SheetPart } from "./sheet";
import { bytes } from "./size";

/** What is in force on this server: limits, disk, keys. It is set where the server is started, not here. */
export function SettingsPage() {
  return (
    <Sheet
      title="Settings"
      about="In force on this server. They are read from its environment and .env when it starts."
    >
      <DiskPart />
      <KeysPart />
      <SettingsPart />
    </Sheet>
  );
}

function SettingsPart() {
  const settings = useGet("GET /settings", {});
  const [all, setAll] = useState(true);
  if (settings.isPending) return <Skeleton />;
  if (settings.isError)
    return <Failed error={settings.error} retry={() => void settings.refetch()} />;
  const shown = settings.data.filter((setting) => all || !setting.is_default);
  return (
    <SheetPart
      title="In force"
      aside={
        <label className={styles.check}>
          <input type="checkbox" checked={!all} onChange={() => setAll(!all)} />
          only what was changed
        </label>
      }
    >
      <dl className={styles.settings}>
        {shown.map((setting) => (
          <Setting key={setting.name} setting={setting} />
        ))}
      </dl>
      {shown.length === 0 && <p className="dim">Nothing was changed.</p>}
    </SheetPart>
  );
}

function Setting({ setting }: { setting: SettingOut }) {
  return (
    <div>
      <dt>
        <code>{setting.name}</code>
        <span className="dim">
          <Prose>{setting.meaning}</Prose>
        </span>
      </dt>
      <dd>
        <code>{setting.value === "" ? "–" : line(setting.value)}</code>
        {!setting.is_default && <Chip>changed</Chip>}
      </dd>
    </div>
  );
}

function DiskPart() {
  const disk = useGet("GET /disk", {}, { staleTime: 60_000 });
  if (disk.isPending) return <Skeleton />;
  if (disk.isError) return <Failed error={disk.error} retry={() => void disk.refetch()} />;
  const used = disk.data.parts.reduce((sum, part) => sum + part.bytes, 0);
  return (
    <SheetPart title="Disk" aside={<code>{line(disk.data.home)}</code>}>
      <p>
        <strong className="num">{bytes(used)}</strong> used,{" "}
        <span className="num">{bytes(disk.data.free)}</span> free. Repositories that were not used
        for longest go when the cache has more than{" "}
        <span className="num">{bytes(disk.data.bound)}</span>; <code>aideator gc</code> removes them
        now.
      </p>
      <Parts disk={disk.data} used={used} />
    </SheetPart>
  );
}

function Parts({ disk, used }: { disk: Disk; used: number }) {
  return (
    <ul className={styles.bars}>
      {disk.parts.slice(0, 8).map((part) => (
        <li key={part.name}>
          <code className="clip">{line(part.name)}</code>
          <span className={styles.track} aria-hidden="true">
            <span style={{ width: `${(part.bytes / Math.max(used, 1)) * 100}%` }} />
          </span>
          <span className="num">{bytes(part.bytes)}</span>
        </li>
      ))}
    </ul>
  );
}
