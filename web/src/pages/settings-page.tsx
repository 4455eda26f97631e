import { useState } from "react";
import type { Disk, SettingOut } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { Chip } from "../ui/chip";
import { formatBytes } from "../ui/format";
import { LoadError, LoadingSkeleton } from "../ui/page-states";
import { Prose } from "../ui/prose";
import { visibleLine } from "../ui/visible-text";
import { ApiKeysSection } from "./api-keys-section";
import { InfoPage, InfoSection } from "./info-page";
import styles from "./pages.module.css";

/**
 * Settings in force on this server: limits, disk, keys. They are set where the server is started,
 * not on this page.
 */
export function SettingsPage() {
  return (
    <InfoPage
      title="Settings"
      about="Settings in force on this server, read from its environment and .env when it starts."
    >
      <DiskSection />
      <ApiKeysSection />
      <SettingsSection />
    </InfoPage>
  );
}

function SettingsSection() {
  const settings = useGet("GET /settings", {});
  const [all, setAll] = useState(false);
  if (settings.isPending) return <LoadingSkeleton />;
  if (settings.isError)
    return <LoadError error={settings.error} retry={() => void settings.refetch()} />;
  const shown = settings.data.filter((setting) => all || !setting.is_default);
  return (
    <InfoSection
      title="Current values"
      aside={
        <label className={styles.check}>
          <input type="checkbox" checked={!all} onChange={() => setAll(!all)} />
          only changed settings
        </label>
      }
    >
      {[...new Set(shown.map((setting) => setting.group))].map((group) => (
        <section key={group} className={styles.group} aria-label={group}>
          <h3>{group}</h3>
          <dl className={styles.settings}>
            {shown
              .filter((setting) => setting.group === group)
              .map((setting) => (
                <SettingRow key={setting.name} setting={setting} />
              ))}
          </dl>
        </section>
      ))}
      {shown.length === 0 && <p className="dim">All settings have their default values.</p>}
    </InfoSection>
  );
}

function SettingRow({ setting }: { setting: SettingOut }) {
  return (
    <div>
      <dt>
        <code>{setting.name}</code>
        <span className="dim">
          <Prose>{setting.meaning}</Prose>
        </span>
      </dt>
      <dd>
        <code>{setting.value === "" ? "–" : visibleLine(setting.value)}</code>
        {!setting.is_default && <Chip>changed</Chip>}
      </dd>
    </div>
  );
}

function DiskSection() {
  const disk = useGet("GET /disk", {}, { staleTime: 60_000 });
  if (disk.isPending) return <LoadingSkeleton />;
  if (disk.isError) return <LoadError error={disk.error} retry={() => void disk.refetch()} />;
  const used = disk.data.parts.reduce((sum, part) => sum + part.bytes, 0);
  return (
    <InfoSection title="Disk" aside={<code>{visibleLine(disk.data.home)}</code>}>
      <p>
        <strong className="num">{formatBytes(used)}</strong> used,{" "}
        <span className="num">{formatBytes(disk.data.free)}</span> free. When the cache exceeds{" "}
        <span className="num">{formatBytes(disk.data.bound)}</span>, the least recently used
        repositories are removed; <code>aideator gc</code> removes them now.
      </p>
      <DiskParts disk={disk.data} used={used} />
    </InfoSection>
  );
}

function DiskParts({ disk, used }: { disk: Disk; used: number }) {
  return (
    <ul className={styles.bars}>
      {disk.parts.slice(0, 8).map((part) => (
        <li key={part.name}>
          <code className="clip">{visibleLine(part.name)}</code>
          <span className={styles.track} aria-hidden="true">
            <span style={{ width: `${(part.bytes / Math.max(used, 1)) * 100}%` }} />
          </span>
          <span className="num">{formatBytes(part.bytes)}</span>
        </li>
      ))}
    </ul>
  );
}
