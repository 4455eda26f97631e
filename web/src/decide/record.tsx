import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import type { RunDetails, Variation } from "../api/schema.gen";
import { goToLogin, useGet } from "../app/query";
import { Link, type Params } from "../app/router";
import { inOrder } from "../compare/columns";
import { CONFIDENCE, seatName, sources, timeTaken, tokens, whyEmpty } from "../compare/names";
import { Wide } from "../compare/wide";
import { Button } from "../ui/button";
import { Chip, LaneMark } from "../ui/chip";
import { count, duration, money, plural } from "../ui/format";
import { line, plain } from "../ui/plain";
import { Prose } from "../ui/prose";
import { Empty, Failed, Skeleton } from "../ui/states";
import { Where } from "./decided";
import styles from "./record.module.css";

/** The decision on one page, to be linked, printed and kept: what was asked, what was found, what was chosen and why. */
export function RecordPage({ params }: { params: Params }) {
  const details = useGet(
    "GET /runs/{run_id}",
    { path: { run_id: params.id ?? "" } },
    { retry: false },
  );
  if (details.isPending) return <Skeleton />;
  if (details.isError) {
    goToLogin(details.error);
    if (details.error instanceof ApiError && details.error.status === 404)
      return <Empty title="There is no such run" />;
    return <Failed error={details.error} retry={() => void details.refetch()} />;
  }
  return <Record details={details.data} />;
}

function Record({ details }: { details: RunDetails }) {
  const { spec, winner, publication } = details;
  return (
    <article className={styles.record}>
      <header>
        <p className={styles.where}>
          <Link href={`/runs/${details.id}/compare`}>← compare</Link>
          <span className={styles.spring} />
          <Button size="s" onClick={() => print()}>
            Print
          </Button>
        </p>
        <h1>{winner === null ? "Not decided" : "Record of a decision"}</h1>
        <p className="dim">
          Run <span className="mono">{details.id}</span>, {date(details.created_at)}
        </p>
      </header>
      <Part title="Asked">
        <blockquote>{plain(spec.prompt)}</blockquote>
        <dl className={styles.facts}>
          <Fact name="Repository">{line(spec.repo_url ?? "")}</Fact>
          <Fact name="Commit">
            <code>{details.commit ?? "not fetched"}</code>
            {spec.ref && ` (${line(spec.ref)})`}
          </Fact>
          <Fact name="Checks">
            {details.checks.length === 0
              ? "none"
              : details.checks.map((check) => <Command key={check.command} {...check} />)}
          </Fact>
        </dl>
      </Part>
      <Part title="Found">
        <Findings details={details} />
        <Variations details={details} />
      </Part>
      <Part title="Chosen">
        {winner === null ? (
          <p>Nobody has chosen yet.</p>
        ) : (
          <p className={styles.reason}>
            <LaneMark number={winner} />{" "}
            {details.winner_reason ? plain(details.winner_reason) : "No reason was given."}
          </p>
        )}
        {details.reused_from && (
          <p>{`The decision of run ${line(details.reused_from)} was taken over.`}</p>
        )}
      </Part>
      <Part title="Published">
        {publication ? <Where publication={publication} /> : <p>Not published.</p>}
      </Part>
    </article>
  );
}

function date(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Command({ name, command }: { name?: string; command: string }) {
  return (
    <span className={styles.command}>
      {name && `${line(name)}: `}
      <code>{line(command)}</code>
    </span>
  );
}

function Findings({ details: { ranking, evidence } }: { details: RunDetails }) {
  if (!ranking) return <p>The variations were not compared.</p>;
  const [tone, glyph, words] = CONFIDENCE[ranking.confidence];
  return (
    <>
      <p className={styles.reason}>
        {ranking.recommended === null ? (
          <strong>No recommendation: the evidence does not tell.</strong>
        ) : (
          <>
            <strong>Recommended:</strong> <LaneMark number={ranking.recommended} />
          </>
        )}{" "}
        <Chip tone={tone} glyph={glyph}>
          {words}
        </Chip>
      </p>
      <ul className={styles.reasons}>
        {ranking.reasons.map((reason) => (
          <li key={reason}>
            <Prose>{reason}</Prose>
          </li>
        ))}
        {ranking.rule && <li className="dim">{line(ranking.rule)}</li>}
        {evidence?.notes?.map((note) => (
          <li key={note}>{line(note)}</li>
        ))}
      </ul>
    </>
  );
}

function Variations({ details }: { details: RunDetails }) {
  const shown = inOrder(details).flatMap((number) => details.variations[number - 1] ?? []);
  return (
    <Wide label="Variations: table">
      <table className={styles.table}>
        <thead>
          <tr>
            {["Variation", "Checks", "Change", "Time", "Tokens", "Cost"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((variation) => (
            <VariationRow key={variation.number} variation={variation} />
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

function VariationRow({ variation }: { variation: Variation }) {
  const { number, seat, verdict, cleared } = variation;
  const from = sources(variation);
  const taken = timeTaken(variation);
  const empty = whyEmpty(variation);
  return (
    <tr>
      <th scope="row">
        <LaneMark number={number} /> {from ? `composed of ${from}` : seatName(seat)}
      </th>
      <td>
        {empty ??
          verdict?.checks?.map((check) => (
            <span key={check.check} className={styles.command}>
              {line(check.check)}: {check.change.replace("_", " ")}
            </span>
          ))}
        {(verdict?.flags ?? []).map((flag) => (
          <span key={flag.kind + flag.path + flag.hunk} className={styles.command}>
            ⚑ {line(flag.message)}
          </span>
        ))}
        {cleared !== null && <span className={styles.command}>Flags cleared: {line(cleared)}</span>}
      </td>
      <td className="num">
        {verdict &&
          `${plural(verdict.patch.files ?? 0, "file")} +${verdict.patch.additions ?? 0} −${verdict.patch.deletions ?? 0}`}
      </td>
      <td className="num">{taken === null ? "" : duration(taken)}</td>
      <td className="num">{count(tokens(variation))}</td>
      <td className="num">{money(variation.usage.cost_usd)}</td>
    </tr>
  );
}
