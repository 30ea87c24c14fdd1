/** `understudy drill`: lists drills, or runs one in the running service and prints its score card. */
import type { Config } from "../config/schema.ts";
import { type DrillStageWire, drillListSchema, type ScoreCardWire, scoreCardSchema } from "../contract/drill-wire.ts";
import { askService, refusalOf, waitForAnswer } from "./running-service.ts";
import { say } from "./say.ts";

const inSeconds = (ms: number | null): string => (ms === null ? "not reached" : `${(ms / 1_000).toFixed(1)} s`);

const row = (name: string, text: string): string => `  ${name.padEnd(20)} ${text}`;

function stageLine(
  name: string,
  { took_ms: tookMs, within_ms: withinMs, late }: DrillStageWire,
  unneeded: string,
): string {
  if (tookMs === undefined) return row(name, "not measured");
  if (withinMs === undefined) return row(name, tookMs === null ? unneeded : `${inSeconds(tookMs)}; ${unneeded}`);
  const took = inSeconds(tookMs).padStart(11);
  return row(name, `${took}   within ${inSeconds(withinMs)}${late ? "   TOO LATE" : ""}`);
}

/** How a drill went, for people. */
export function cardLines(card: ScoreCardWire): string[] {
  const { told, watchable, delivered, recovered, bystander } = card.stages;
  const alone = card.alone_ms === undefined ? [] : [row("", `such a job takes ${inSeconds(card.alone_ms)} alone`)];
  return [
    `${card.drill}: ${card.passed ? "passed" : "NOT PASSED"}`,
    stageLine("owner told", told, "needs no detection: the fault costs time and nothing else"),
    stageLine("something to watch", watchable, "not needed"),
    stageLine("the real video", delivered, "not needed: this job cannot be rendered"),
    stageLine("recovered", recovered, "not needed"),
    stageLine("bystander waited", bystander, "not needed"),
    ...alone,
    row("jobs lost", String(card.jobs_lost).padStart(11)),
    row("false claims", String(card.false_claims.length).padStart(11)),
    ...card.false_claims.map((claim) => row("", claim)),
    row(
      "known as",
      card.recognised_as.join(", ") || (told.within_ms === undefined ? "nothing, as it should" : "nothing"),
    ),
    row("done", card.actions.join("; ") || "nothing"),
    ...card.expectations.map(({ expected, met }) => row(met ? "seen" : "NOT SEEN", expected)),
  ];
}

/** Times of the last runs, newest first, so that a trend shows. */
const trendOf = (cards: readonly ScoreCardWire[]): string =>
  cards
    .slice(0, 5)
    .map((card) => `${card.passed ? "passed" : "NOT PASSED"} in ${inSeconds(card.stages.recovered.took_ms ?? null)}`)
    .join(", ");

export async function listDrills(config: Config): Promise<number> {
  const answer = await askService(config, "GET", "/api/v1/recovery/drills");
  if (!answer.isOk) {
    say(refusalOf(answer));
    return 1;
  }
  for (const { name, description, obstacle, score_cards: cards } of drillListSchema.parse(answer.body).drills) {
    say(`${name.padEnd(24)} ${description}${obstacle === undefined ? "" : ` ${obstacle}`}`);
    if (cards.length > 0) say(`${" ".repeat(25)}last: ${trendOf(cards)}`);
  }
  return 0;
}

/** Runs one drill and prints its score card; 1 when it was refused or not passed. */
export async function runDrill(config: Config, name: string): Promise<number> {
  say(`The drill ${name} runs; this takes from seconds to some minutes.`);
  const answer = await waitForAnswer(config, `/api/v1/recovery/drills/${encodeURIComponent(name)}`);
  if (!answer.isOk) {
    say(refusalOf(answer));
    return 1;
  }
  const card = scoreCardSchema.parse(answer.body);
  say(cardLines(card).join("\n"));
  return card.passed ? 0 : 1;
}
