/** `understudy drill`: lists drills, or runs one in the running service and prints its score card. */
import type { Config } from "../config/schema.ts";
import { drillListSchema, type ScoreCardWire, scoreCardSchema } from "../contract/drill-wire.ts";
import { askService, refusalOf } from "./running-service.ts";
import { say } from "./say.ts";

const inSeconds = (ms: number | null): string => (ms === null ? "not reached" : `${(ms / 1_000).toFixed(1)} s`);

const stageLine = (name: string, tookMs: number | null, targetMs: number): string =>
  `  ${name.padEnd(13)} ${inSeconds(tookMs).padStart(11)}   within ${inSeconds(targetMs)}${tookMs === null || tookMs > targetMs ? "   TOO LATE" : ""}`;

function cardLines(card: ScoreCardWire): string[] {
  const { targets } = card;
  return [
    `${card.drill}: ${card.passed ? "passed" : "NOT PASSED"}`,
    stageLine("detected", card.detected_ms, targets.detected_ms),
    stageLine("first answer", card.answered_ms, targets.answered_ms),
    stageLine("recovered", card.recovered_ms, targets.recovered_ms),
    `  jobs lost     ${String(card.jobs_lost).padStart(11)}`,
    `  false claims  ${String(card.false_claims.length).padStart(11)}${card.false_claims.map((claim) => `\n    ${claim}`).join("")}`,
    `  known as      ${card.recognised_as.join(", ") || "nothing"}`,
    `  done          ${card.actions.join("; ") || "nothing"}`,
  ];
}

/** Times of the last runs, newest first, so that a trend shows. */
const trendOf = (cards: readonly ScoreCardWire[]): string =>
  cards
    .slice(0, 5)
    .map((card) => `${card.passed ? "passed" : "NOT PASSED"} in ${inSeconds(card.recovered_ms)}`)
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
  const answer = await askService(config, "POST", `/api/v1/recovery/drills/${encodeURIComponent(name)}`);
  if (!answer.isOk) {
    say(refusalOf(answer));
    return 1;
  }
  const card = scoreCardSchema.parse(answer.body);
  say(cardLines(card).join("\n"));
  return card.passed ? 0 : 1;
}
