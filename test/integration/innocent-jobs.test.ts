/**
 * Workers that somebody else ends, and files that are wrong by nature, on the real process as it comes: no job ends by
 * what it did not do, one that fails by itself ends with its evidence, and a healthy job behind it is rendered meanwhile.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rowsSince } from "../harness/rows.ts";
import {
  clock,
  endService,
  isAlive,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

let directory: ReturnType<typeof makeStateDir>;
let service: RunningService;

beforeEach(async () => {
  directory = makeStateDir();
  service = await startService({ stateDir: directory.path });
  await isReady(service);
});
afterEach(async () => {
  await endService(service);
  directory.remove();
});

interface Attempt {
  readonly outcome?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly evidence?: Readonly<Record<string, unknown>>;
}
interface Detail {
  readonly state: string;
  readonly message: string;
  readonly attempt_count: number;
  readonly deaths: number;
  readonly host_losses: number;
  readonly error?: { readonly code: string };
  readonly progress?: { readonly phase: string };
  readonly attempts: readonly Attempt[];
  readonly artifacts: readonly { readonly kind: string; readonly url?: string; readonly reason?: string }[];
}
const detailOf = async (id: string): Promise<Detail> => (await service.json<Detail>(`/api/v1/jobs/${id}`)).body;

/** Some seconds of work, so that its worker can be ended in the middle of it. */
const long = (): Promise<string> => service.submit({ num_frames: 81, steps: 40 });
const healthy = (): Promise<string> => service.submit({ prompt: "a healthy heron" });

/** The worker renders the job's attempt of this number. */
const rendering = (id: string, attempt: number): Promise<unknown> =>
  until(
    `attempt ${attempt} is in its denoise phase`,
    async () => {
      const { state, progress, attempts } = await detailOf(id);
      return state === "running" && progress?.phase === "denoise" && attempts.length === attempt;
    },
    60_000,
  );

/** Ends the worker in the middle of the job's attempt of this number, and waits until that process is gone. */
async function endUnder(id: string, attempt: number, end: (pid: number) => unknown): Promise<void> {
  await rendering(id, attempt);
  const pid = service.worker()?.pid ?? 0;
  await end(pid);
  await until("the process is gone", () => !isAlive(pid));
}

describe("a job whose worker somebody else ends", { timeout: 240_000 }, () => {
  it.each<[string, (pid: number) => unknown]>([
    ["asked to end by a colleague or a guard against want of memory", (pid) => process.kill(pid, "SIGTERM")],
    ["whose terminal was closed", (pid) => process.kill(pid, "SIGHUP")],
    ["killed", (pid) => process.kill(pid, "SIGKILL")],
    ["killed by the page's own button", () => service.json("/api/v1/simulator/kill", { method: "POST" })],
  ])("twice, %s, is rendered all the same, and so is the one behind it", async (_, end) => {
    const id = await long();
    const behind = await healthy();
    for (let attempt = 1; attempt <= 2; attempt += 1) await endUnder(id, attempt, end);
    await Promise.all([delivered(service, behind), delivered(service, id)]);
    expect(await detailOf(id)).toMatchObject({ state: "succeeded", attempt_count: 0, deaths: 0, host_losses: 2 });
    expect(rowsSince(directory.path).filter(({ kind }) => kind === "job.quarantined")).toEqual([]);
  });

  it("five times within half a minute, waits and says why, and an incident asks for a person", async () => {
    const id = await long();
    const beganAtMs = clock.nowMs();
    for (let kill = 0; kill < 5; kill += 1) {
      const pid = await until("a worker lives", () => {
        const found = service.worker()?.pid ?? 0;
        return found !== 0 && isAlive(found) && found;
      });
      if (kill < 3) await rendering(id, kill + 1);
      process.kill(pid, "SIGKILL");
      await until("the process is gone", () => !isAlive(pid));
    }
    expect(clock.nowMs() - beganAtMs).toBeLessThan(40_000);
    const waiting = await detailOf(id);
    expect(waiting).toMatchObject({ state: "queued", attempt_count: 0, deaths: 0 });
    expect(waiting.message).toContain("its worker was ended from outside 3 times");
    const asking = rowsSince(directory.path).filter(({ kind, data }) => {
      const fault = data["fault"] as { operatorAction: string | null } | undefined;
      return (
        (kind === "incident.opened" || kind === "incident.joined") && fault?.operatorAction?.startsWith("Find out")
      );
    });
    expect(asking.length).toBeGreaterThan(0);
    await delivered(service, await healthy(), 120_000);
    expect((await detailOf(id)).state).not.toBe("failed");
  });
});

describe("a render whose file is wrong by nature", { timeout: 240_000 }, () => {
  it("ends at the second finding with its code and the file, and the healthy job behind it does not wait for that", async () => {
    const id = await service.submit({ prompt: "a fox [[sim:black@muxx20]]" });
    const behind = await healthy();
    const submittedAtMs = clock.nowMs();
    await delivered(service, behind);
    const waitedMs = clock.nowMs() - submittedAtMs;
    await until("the job has ended", async () => (await detailOf(id)).state === "failed", 120_000);
    const { error, attempts, artifacts, attempt_count } = await detailOf(id);
    expect(error?.code).toBe("OUTPUT_INVALID");
    expect(attempt_count).toBe(2);
    expect(attempts.map((attempt) => attempt.error?.message)).toEqual(Array(2).fill("is black in every sampled frame"));
    const rejected = artifacts.find(({ kind }) => kind === "rejected");
    const file = await fetch(`${service.url}${rejected?.url}`);
    expect([file.status, file.headers.get("content-type"), rejected?.reason]).toEqual([
      200,
      "video/mp4",
      "is black in every sampled frame",
    ]);
    expect(waitedMs).toBeLessThan(60_000);
  });
});
