/** What a platform and an operator do to the running process: probes, a drain with a deadline, another configuration. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { lookIntoStore, rowsSince } from "../harness/rows.ts";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  smallJob,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, inPhase, taskOf } from "../harness/tasks.ts";

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function start(
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  at?: string,
  mode = "ready",
): Promise<RunningService> {
  const directory = makeStateDir();
  ends.push(directory.remove);
  const service = await startService({ stateDir: at ?? directory.path, env, args });
  ends.push(() => endService(service));
  await until(`it is ${mode}`, async () => (await service.json("/readyz")).body["mode"] === mode, 90_000);
  return service;
}

const stateOf = (service: RunningService, id: string): unknown =>
  lookIntoStore(
    service.stateDir,
    (database) => database.prepare("select state from jobs where id = ?").get(id)?.["state"],
  );

const refused = (service: RunningService): Promise<{ status: number; body: Record<string, unknown> }> =>
  service.json("/api/v1/generation/submit", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(smallJob),
  });

describe("SIGTERM with time to finish", { timeout: 240_000 }, () => {
  it("lets the job in hand end, takes no other, and answers probes meanwhile", async () => {
    const service = await start({ UNDERSTUDY_STOP_DRAIN: "10m", UNDERSTUDY_SIM_SPEED: "4" });
    const inHand = await service.submit({ steps: 60, num_frames: 49 });
    const waiting = await service.submit({ steps: 12 });
    await inPhase(service, inHand, "denoise", 10);
    service.process.kill("SIGTERM");
    await until("it drains", async () => (await service.json("/readyz")).status === 503);
    const [live, ready, submission] = await Promise.all([
      service.json("/livez"),
      service.json("/readyz"),
      refused(service),
    ]);
    expect(live).toEqual({ status: 200, body: { status: "alive" } });
    expect(ready.body).toMatchObject({ code: "DRAINING", detail: "The service is stopping." });
    expect([submission.status, submission.body["code"]]).toEqual([503, "DRAINING"]);
    expect(await service.ended).toBe(0);
    expect([stateOf(service, inHand), stateOf(service, waiting)]).toEqual(["succeeded", "queued"]);
  });

  it("gives the job back at the deadline, and the next start finishes it", async () => {
    const first = await start({ UNDERSTUDY_STOP_DRAIN: "1s", UNDERSTUDY_SIM_SPEED: "0.5" });
    const id = await first.submit({ steps: 60, num_frames: 49 });
    await inPhase(first, id, "denoise", 5);
    const beganAtMs = clock.nowMs();
    first.process.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    expect(clock.nowMs() - beganAtMs).toBeGreaterThanOrEqual(1_000);
    expect(clock.nowMs() - beganAtMs).toBeLessThan(6_000);
    expect(stateOf(first, id)).toBe("queued");
    const second = await start({ UNDERSTUDY_SIM_SPEED: "8" }, [], first.stateDir);
    await delivered(second, id, 180_000);
  });

  it("stops at once on a second signal", async () => {
    const service = await start({ UNDERSTUDY_STOP_DRAIN: "60s", UNDERSTUDY_SIM_SPEED: "0.5" });
    const id = await service.submit({ steps: 60, num_frames: 49 });
    await inPhase(service, id, "denoise");
    service.process.kill("SIGTERM");
    await until("it says that it waits", () => service.output().includes("Jobs in hand may end within 60 s"));
    service.process.kill("SIGTERM");
    expect(await Promise.race([service.ended, clock.sleep(3_000).then(() => "still there")])).toBe(1);
  });
});

describe("SIGHUP", { timeout: 180_000 }, () => {
  /** Its log level is the file's, not the harness's. */
  const fromFile = { UNDERSTUDY_LOG_LEVEL: "" };

  async function startWith(
    text: string,
    env: Readonly<Record<string, string>> = {},
    mode = "ready",
  ): Promise<{ service: RunningService; reload: (text: string) => Promise<void> }> {
    const directory = makeStateDir();
    ends.push(directory.remove);
    const path = join(directory.path, "understudy.yaml");
    writeFileSync(path, text);
    const service = await start({ ...fromFile, ...env }, ["--config", path], undefined, mode);
    let count = 0;
    const reload = async (next: string): Promise<void> => {
      writeFileSync(path, next);
      service.process.kill("SIGHUP");
      count += 1;
      await until(
        "it was read again",
        () => (service.output().match(/"level":"(?:warn|error)".*"event":"configuration\./g) ?? []).length === count,
      );
    };
    return { service, reload };
  }

  const lines = (service: RunningService): Record<string, unknown>[] =>
    service
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("applies what is live, names what waits, and writes it down", async () => {
    const { service, reload } = await startWith("queue: { maxJobs: 50 }\n");
    expect(service.output()).not.toContain("machine.transitioned");
    await service.json("/api/v1/jobs/pause", { method: "POST" });
    await reload("queue: { maxJobs: 1, deadline: 2h }\nconsent: { fallback: wait }\nlogLevel: info\nlease: 45s\n");
    const applied = ["logLevel", "queue.maxJobs", "queue.deadline", "consent.fallback"];
    expect(lines(service).find(({ level }) => level === "warn")).toMatchObject({
      event: "configuration.reloaded",
      applied,
      waiting: ["lease"],
    });
    const id = await service.submit();
    expect((await refused(service)).status).toBe(429);
    const job = lookIntoStore(service.stateDir, (database) =>
      database
        .prepare("select fallback, round((deadline_at - created_at) / 60000.0) as minutes from jobs where id = ?")
        .get(id),
    );
    expect(job).toEqual({ fallback: "wait", minutes: 120 });
    await service.json("/api/v1/jobs/resume", { method: "POST" });
    await until("transitions are logged now", () => service.output().includes("machine.transitioned"));
    expect(rowsSince(service.stateDir).find((row) => row.kind === "configuration.reloaded")?.data).toEqual({
      applied,
      waiting: ["lease"],
    });
  });

  it("is seen by who waits already, and by the stop that follows", async () => {
    // The model takes minutes to load, so that the job waits for a worker.
    const { service, reload } = await startWith(
      "standIn: { after: 1h }\n",
      { UNDERSTUDY_SIM_SPEED: "0.02" },
      "loading",
    );
    const id = await service.submit();
    await reload("standIn: { after: 0s }\nstop: { drain: 7s }\n");
    await until("its stand-in is shown", async () => (await taskOf(service, id)).is_mock, 30_000);
    service.process.kill("SIGTERM");
    await until("it says how long", () => service.output().includes("Jobs in hand may end within 7 s"));
    expect(await service.ended).toBe(0);
  });

  it("lets workers rest once that is asked for", async () => {
    const { service, reload } = await startWith("{}\n");
    await reload("supervision: { idleUnload: 1s }\n");
    await until("the worker rests", async () =>
      String((await service.json("/readyz")).body["message"]).startsWith("The workers rest"),
    );
  });

  it("keeps the old configuration, with a sentence, when the new one is bad", async () => {
    const { service, reload } = await startWith("queue: { maxJobs: 50 }\n");
    await reload("queue:\n  maxJobs: 0\n");
    const [line] = lines(service);
    expect(line).toMatchObject({
      event: "configuration.refused",
      level: "error",
      message: expect.stringMatching(
        /^Configuration: queue\.maxJobs must be a whole number from 1 to 1000000 \(from the file .+, line 2\)\. The service goes on with what it has\.$/,
      ),
    });
    await delivered(service, await service.submit());
  });
});
