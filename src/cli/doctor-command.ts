/**
 * `understudy doctor`: prints what the configuration needs and what of it is missing, with the fix, before anything
 * starts.
 */
import { type Finding, isWell } from "../app/doctor/finding.ts";
import { runDoctor } from "../app/doctor/run-doctor.ts";
import type { HubEnvironment } from "../config/hub-environment.ts";
import type { Config } from "../config/schema.ts";
import { withoutNulls } from "../core/present.ts";
import { say } from "./say.ts";

function lineOf({ name, status, isNeeded, sentence, fix }: Finding): string {
  const note = status !== "ok" && !isNeeded ? " Not needed as it is configured." : "";
  return `${status.padEnd(8)} ${name.padEnd(16)} ${sentence}${note}${fix === null ? "" : ` Fix: ${fix}`}`;
}

function verdictOf(findings: readonly Finding[]): string {
  const wrong = findings.filter(({ status, isNeeded }) => isNeeded && status !== "ok").map(({ name }) => name);
  return wrong.length === 0
    ? "All that this configuration needs is there."
    : `Not all that this configuration needs is there: ${wrong.join(", ")}.`;
}

/** One line for each thing that was looked at; 1 when something that is needed is missing or unknown. */
export async function showDoctor(config: Config, environment: HubEnvironment, isJson: boolean): Promise<number> {
  const findings = await runDoctor(config, environment);
  if (isJson) {
    const rows = findings.map(({ name, status, isNeeded, sentence, fix }) => ({
      name,
      status,
      is_needed: isNeeded,
      sentence,
      ...withoutNulls({ fix }),
    }));
    say(JSON.stringify({ is_well: isWell(findings), findings: rows }, null, 2));
  } else {
    say([...findings.map(lineOf), verdictOf(findings)].join("\n"));
  }
  return isWell(findings) ? 0 : 1;
}
