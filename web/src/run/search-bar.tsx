import { useKeyCommands } from "../app/key-commands";
import { setQueryValues, useQueryValue } from "../app/router";
import { Button } from "../ui/button";
import { controlClass } from "../ui/field";
import styles from "./search-bar.module.css";

/** Return what is searched for, and open the field with a key. */
export function useTranscriptSearch(): string {
  const [search, setSearch] = useQueryValue("find");
  useKeyCommands([
    { key: "/", description: "Search the transcripts", run: () => setSearch(search ?? " ") },
  ]);
  return search ?? "";
}

/** Search in all transcripts (query parameter `find`); null shows no field. */
export function SearchBar() {
  const [search] = useQueryValue("find");
  if (search === null) return null;
  return (
    <search className={styles.bar}>
      <input
        className={controlClass}
        type="search"
        aria-label="Search the transcripts"
        placeholder="Search the transcripts"
        // biome-ignore lint/a11y/noAutofocus: a person has just asked for this field
        autoFocus
        defaultValue={search.trim()}
        // A space keeps the parameter, and with it the field, when all text is removed.
        onChange={({ target }) => setQueryValues({ find: target.value || " " })}
        onKeyDown={(event) => event.key === "Escape" && setQueryValues({ find: null })}
      />
      <Button variant="quiet" size="s" icon="close" iconOnly onClick={close}>
        Close the search
      </Button>
    </search>
  );
}

function close(): void {
  setQueryValues({ find: null });
}
