/**
 * What the command line does on a state directory alone, whether or not its service runs: find the service's address,
 * copy the database, replay an incident.
 */
import { existsSync } from "node:fs";
import { createSystemClock } from "../core/clock.ts";
import { UnderstudyError } from "../core/errors.ts";
import { openStore } from "../store/open-store.ts";
import { readIncident } from "../store/read-incident.ts";
import { readSupervisorFile } from "../store/state-lock.ts";
import { type Replay, replayIncident } from "./incidents/incident-replay.ts";

/** Where the supervisor of a state directory listens; null when none has said so. */
export const readAddress = (stateDir: string): string | null => readSupervisorFile(stateDir)?.address ?? null;

/** Throws UnderstudyError with one sentence when there is nothing to copy or the target exists. */
export async function backupStore(databasePath: string, targetPath: string): Promise<void> {
  if (!existsSync(databasePath))
    throw new UnderstudyError(
      "NOT_FOUND",
      `There is no database ${databasePath} to copy; name its directory with --state-dir.`,
    );
  if (existsSync(targetPath))
    throw new UnderstudyError("CONFIGURATION_INVALID", `${targetPath} exists already; choose another name.`);
  const clock = createSystemClock();
  const store = openStore({ path: databasePath, clock });
  try {
    await store.backup(targetPath);
  } finally {
    await store.close();
    clock.stop();
  }
}

export type OfflineReplay =
  | { readonly kind: "replayed"; readonly status: string; readonly replay: Replay }
  | { readonly kind: "absent"; readonly newestIds: readonly string[] }
  /** The incident is known, but the first row of its record is gone or was never written. */
  | { readonly kind: "unrecorded" };

/** Replays one incident of a stopped service, or of one that runs now; nothing is written. */
export function replayOffline(databasePath: string, incidentId: string): OfflineReplay {
  const { found, newestIds } = readIncident(databasePath, incidentId);
  if (found === null) return { kind: "absent", newestIds };
  const replay = replayIncident(found.rows);
  return replay === null ? { kind: "unrecorded" } : { kind: "replayed", status: found.status, replay };
}
