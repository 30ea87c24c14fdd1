/** An engine that connects and then dies at every load, as a real process: what it costs the others, and what is said of it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { rowsSince } from "../harness/rows.ts";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered } from "../harness/tasks.ts";

const directory = makeStateDir();
let service: RunningService | null = null;
afterAll(async () => {
  if (service !== null) await endService(service);
  directory.remove();
});

interface Status {
  readonly mode: string;
  readonly workers: readonly { readonly id: string; readonly state: string; readonly starts_at?: string }[];
  readonly open_incidents: readonly { readonly worker_id: string; readonly sentence: string }[];
}

/** Of the ten heavy actions that all workers share in an hour. */
const mostSpent = 5;

it("spends at most half of the common budget, then waits until a time that status names, and the others render on", async () => {
  const stub = new URL("../fixtures/stub-worker.ts", import.meta.url).pathname;
  const command = ["/bin/sh", "-c", `STUB_MODES=die-at-load exec ${process.execPath} ${stub}`];
  const path = join(directory.path, "two-workers.json");
  writeFileSync(path, JSON.stringify({ workers: [{ id: "engine", kind: "own", command }, { id: "sim" }] }));
  service = await startService({ stateDir: directory.path, args: ["--config", path] });
  const running = service;
  const status = async (): Promise<Status> => (await running.json<Status>("/api/v1/status")).body;
  await until(
    "the engine is left alone",
    () => rowsSince(directory.path).some(({ kind }) => kind === "worker.crashLooped"),
    90_000,
  );
  await delivered(running, await running.submit());
  // Whatever recovery still has up its sleeve shows within its next look back.
  await clock.sleep(35_000);
  const { workers, open_incidents: incidents } = await status();
  const engine = workers.find(({ id }) => id === "engine");
  const startsInMs = Date.parse(engine?.starts_at ?? "") - clock.nowMs();
  expect(engine?.state).toBe("crashLooping");
  expect(startsInMs).toBeGreaterThan(0);
  expect(startsInMs).toBeLessThan(10 * 60_000);
  const [incident] = incidents.filter(({ worker_id: of }) => of === "engine");
  expect(incident?.sentence).toMatch(/started again in \d+ min/);
  const spent = rowsSince(directory.path).filter(({ kind }) => kind === "budget.spent");
  expect(spent.length).toBeLessThanOrEqual(mostSpent);
  const kinds = new Set(rowsSince(directory.path).map(({ kind }) => kind));
  expect(kinds.has("budget.exhausted")).toBe(false);
  // What died with its process is not tried again in that process, and nobody says so.
  expect(kinds.has("model.loadRetried")).toBe(false);
}, 180_000);
