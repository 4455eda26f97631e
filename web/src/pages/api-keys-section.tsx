import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, callApi } from "../api/client";
import type { KeyOut } from "../api/schema.gen";
import { useGet } from "../app/api-query";
import { Button } from "../ui/button";
import { Chip } from "../ui/chip";
import { Dialog } from "../ui/dialog";
import { controlClass, Field } from "../ui/field";
import { LoadError, LoadingSkeleton } from "../ui/page-states";
import { ScrollRegion } from "../ui/scroll-region";
import { showErrorToast, showToast } from "../ui/toast";
import { visibleLine } from "../ui/visible-text";
import { InfoSection } from "./info-page";
import styles from "./pages.module.css";

const KEYS_ROUTE = "GET /keys";

function NoKeys() {
  return (
    <InfoSection title="API keys">
      <p>
        This page was opened without an API key. Create a key with{" "}
        <code>aideator key create NAME</code>; once one exists, calls from other users and machines
        need a key.
      </p>
    </InfoSection>
  );
}

/** API keys of the server: list, create, revoke. */
export function ApiKeysSection() {
  const server = useGet("GET /server", {}, { staleTime: 60_000 });
  // A caller without a key may not list keys: a server without any is not asked in vain.
  const hasKey = server.data !== undefined && server.data.caller !== "this machine";
  const keys = useGet(KEYS_ROUTE, {}, { retry: false, enabled: hasKey });
  const [newKey, setNewKey] = useState<{ name: string; key: string } | null>(null);
  if (server.data && !hasKey) return <NoKeys />;
  if (keys.isPending) return <LoadingSkeleton />;
  if (keys.isError) {
    const isOpen = keys.error instanceof ApiError && keys.error.status === 403;
    if (isOpen) return <NoKeys />;
    return <LoadError error={keys.error} retry={() => void keys.refetch()} />;
  }
  return (
    <InfoSection title="API keys" aside={<NewKeyForm onCreated={setNewKey} />}>
      <ScrollRegion label="API keys: table">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Prefix</th>
              <th scope="col">Created</th>
              <th scope="col">Status</th>
              <th scope="col">
                <span className="visually-hidden">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.data.map((key) => (
              <KeyRow key={key.id} entry={key} />
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {newKey && (
        <NewKeyDialog name={newKey.name} text={newKey.key} onClose={() => setNewKey(null)} />
      )}
    </InfoSection>
  );
}

function KeyRow({ entry }: { entry: KeyOut }) {
  const [confirming, setConfirming] = useState(false);
  const isValid = entry.revoked_at === null;
  return (
    <tr data-off={!isValid || undefined}>
      <th scope="row">{visibleLine(entry.name)}</th>
      <td>
        <code>{visibleLine(entry.prefix)}…</code>
      </td>
      <td className="num">{entry.created_at.slice(0, 10)}</td>
      <td>
        {isValid ? <Chip tone="good">valid</Chip> : <Chip>revoked</Chip>}{" "}
        {entry.mine && <Chip>yours</Chip>}
      </td>
      <td>
        {isValid && (
          <Button variant="danger" size="s" onClick={() => setConfirming(true)}>
            {`Revoke ${visibleLine(entry.name)}`}
          </Button>
        )}
        {confirming && <RevokeDialog entry={entry} onClose={() => setConfirming(false)} />}
      </td>
    </tr>
  );
}

function RevokeDialog({ entry, onClose }: { entry: KeyOut; onClose: () => void }) {
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const revoke = async () => {
    setBusy(true);
    try {
      await callApi("DELETE /keys/{key_id}", { path: { key_id: entry.id } });
      showToast(`Revoked ${entry.name}.`);
      onClose();
    } catch (failure) {
      showErrorToast(failure);
      setBusy(false);
    } finally {
      await client.invalidateQueries({ queryKey: [KEYS_ROUTE] });
    }
  };
  return (
    <Dialog title={`Revoke ${visibleLine(entry.name)}?`} onClose={onClose}>
      <div className={styles.form}>
        <p>
          The key stops working at once, and every browser that logged in with it is logged out.
          This cannot be undone.
          {entry.mine && " This browser uses the key: you will have to log in with another one."}
        </p>
        <Button variant="danger" busy={busy} onClick={revoke}>
          Revoke
        </Button>
      </div>
    </Dialog>
  );
}

function NewKeyForm({ onCreated }: { onCreated: (newKey: { name: string; key: string }) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { key } = await callApi("POST /keys", { body: { name } });
      onCreated({ name, key });
      setName("");
      await client.invalidateQueries({ queryKey: [KEYS_ROUTE] });
    } catch (failure) {
      showErrorToast(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit} className={styles.inline}>
      <input
        className={controlClass}
        aria-label="Name of the new key"
        placeholder="key name"
        required
        maxLength={80}
        value={name}
        onChange={({ target }) => setName(target.value)}
      />
      <Button type="submit" icon="plus" busy={busy}>
        New key
      </Button>
    </form>
  );
}

/**
 * Show a new key, the only time that it can be read. It is stored nowhere: not in the address, not
 * in the browser's storage.
 */
function NewKeyDialog({
  name,
  text,
  onClose,
}: {
  name: string;
  text: string;
  onClose: () => void;
}) {
  return (
    <Dialog title={`Key ${visibleLine(name)}`} onClose={onClose}>
      <div className={styles.form}>
        <Field label="Key" hint="Shown only once. Store it in a password manager.">
          {(control) => (
            <input
              {...control}
              className={`${controlClass} mono`}
              readOnly
              value={text}
              onFocus={({ target }) => target.select()}
            />
          )}
        </Field>
        <Button onClick={onClose}>Done</Button>
      </div>
    </Dialog>
  );
}
