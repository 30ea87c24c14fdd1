/** The service on a real card: it learns what a render takes, and restarts to the same memory after a lost context. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { lookIntoStore, newestSeq, rowsSince } from "../harness/rows.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { delivered, inPhase, isReady } from "../harness/tasks.ts";
import { startTinyHub, type TinyHub } from "../worker/tiny-hub.ts";
import { sameBytes, usedBytes } from "./card.ts";

const patienceMs = 240_000;
const small = { resolution: "128x64", steps: 8, num_frames: 9 };
const directory = makeStateDir();
const stateDir = join(directory.path, "state");
let tiny: TinyHub;
let service: RunningService;

interface Peak {
  readonly model: string;
  readonly bytes: number;
  readonly renderCount: number;
}
const peaks = (): readonly Peak[] =>
  lookIntoStore(stateDir, (database) => {
    const row = database.prepare("select value from facts where key = 'learned.envelopes'").get();
    return row === undefined ? [] : (JSON.parse(String(row["value"])) as { readonly peaks: readonly Peak[] }).peaks;
  });

beforeAll(async () => {
  mkdirSync(stateDir);
  tiny = await startTinyHub(directory.path);
  const env = {
    ...tiny.env,
    UNDERSTUDY_RENDERER_DEVICE: "cuda",
    UNDERSTUDY_LOAD_PROFILE: "full",
    UNDERSTUDY_SUPERVISION_CHECKPOINT: "1ms",
  };
  service = await startService({ stateDir, env, limitMs: 60_000 });
  await isReady(service, patienceMs);
});
afterAll(async () => {
  await endService(service);
  await tiny.hub.stop();
  directory.remove();
});

it("learns how much memory a render takes on this card", async () => {
  await delivered(service, await service.submit(small), patienceMs);
  const [peak] = await until("what was learned", () => (peaks().length > 0 ? peaks() : null));
  expect(peak).toMatchObject({ model: "T2V-A14B", renderCount: 1 });
  expect(peak?.bytes).toBeGreaterThan(0);
});

it("a killed worker comes back to the memory that it had, and the job goes on from its checkpoint", async () => {
  const before = usedBytes();
  const since = newestSeq(stateDir);
  const id = await service.submit({ ...small, steps: 100, num_frames: 33 });
  await inPhase(service, id, "denoise", 20, patienceMs);
  process.kill(service.worker()?.pid ?? 0, "SIGKILL");
  await delivered(service, id, patienceMs);
  const kinds = rowsSince(stateDir, since).map(({ kind }) => kind);
  expect(kinds).toContain("incident.opened");
  await until(
    "no incident is open",
    () => rowsSince(stateDir, since).some(({ kind }) => kind === "incident.closed"),
    patienceMs,
  );
  expect(Math.abs(usedBytes() - before)).toBeLessThan(sameBytes);
});
