import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClaimCheck } from "../../../src/app/drills/claim-check.ts";
import type { EventRow } from "../../../src/core/events.ts";
import type { JobProgress } from "../../../src/core/job.ts";
import { secondMs } from "../../../src/core/units.ts";
import type { Mode, PromiseKind, RecoveryAction } from "../../../src/core/words.ts";
import { eventOf } from "../../harness/sample-rows.ts";
import { result, standInBy } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";
import { deliver, type Owner, ownerOf } from "./owner-world.ts";

describe("what the mode says", () => {
  const rendering = (atMs: number): JobProgress => ({
    jobId: "job-1",
    workerId,
    phase: "denoise",
    step: 1,
    of: 30,
    ratio: 0.1,
    atMs,
    etaMs: null,
  });

  /** Looks ten times a second for so long, and answers what was found. */
  function watch(
    seconds: number,
    {
      mode,
      kind = "realLater",
      isWaitedFor = false,
      connectedCount = 1,
      isRendering = false,
    }: Readonly<Record<string, unknown>> & {
      readonly mode: Mode;
      readonly kind?: PromiseKind;
      readonly isWaitedFor?: boolean;
      readonly connectedCount?: number;
      readonly isRendering?: boolean;
    },
  ): readonly string[] {
    const claims = new ClaimCheck();
    for (let nowMs = 0; nowMs <= seconds * secondMs; nowMs += 100)
      claims.noteService(
        { mode, promise: { kind } },
        isWaitedFor,
        { connectedCount, running: isRendering ? [rendering(nowMs)] : [] },
        nowMs,
      );
    return claims.found;
  }

  it.each<[string, number, Parameters<typeof watch>[1], readonly string[]]>([
    [
      "ready without a worker",
      2,
      { mode: "ready", connectedCount: 0 },
      ["the mode was ready while no worker was connected"],
    ],
    ["ready in the moment in which the worker ends", 1, { mode: "ready", connectedCount: 0 }, []],
    ["recovering without a worker", 60, { mode: "recovering", connectedCount: 0 }, []],
    [
      "ready while a healthy job waits and nothing is rendered",
      6,
      { mode: "ready", isWaitedFor: true },
      ["a video was said to be rendered at once while healthy jobs waited and nothing was rendered"],
    ],
    [
      "ready while a healthy job waits behind a render",
      60,
      { mode: "ready", isWaitedFor: true, isRendering: true },
      [],
    ],
    ["ready while a healthy job is about to begin", 5, { mode: "ready", isWaitedFor: true }, []],
    [
      "stand-ins only while a real video is rendered",
      2,
      { mode: "mock", isRendering: true },
      ["no real video was said to be possible while one was rendered"],
    ],
    ["stand-ins only while nothing is rendered", 60, { mode: "mock", isWaitedFor: true }, []],
  ])("%s", (_, seconds, facts, found) => {
    expect(watch(seconds, facts)).toEqual(found);
  });
});

describe("what is said of a job", () => {
  let world: AppWorld;
  let owner: Owner;
  let claims: ClaimCheck;
  beforeEach(async () => {
    world = await createAppWorld();
    owner = ownerOf(world);
    claims = new ClaimCheck();
  });
  afterEach(() => world.close());

  const look = async (jobId: string, isTimeJudged = true): Promise<void> => {
    const seen = await owner.view.look(jobId);
    if (seen === null) throw new Error("the job is gone");
    claims.noteJob(seen, world.clock.nowMs(), isTimeJudged);
  };

  it("is believed when its video is there", async () => {
    const lease = await world.claimNew();
    await look(lease.jobId);
    await deliver(world, lease);
    await look(lease.jobId);
    expect(claims.found).toEqual([]);
  });

  it("is false when a stand-in is called its real result", async () => {
    const lease = await world.claimNew();
    await deliver(world, lease, { ...result, servedBy: standInBy });
    await look(lease.jobId);
    expect(claims.found).toEqual(["a stand-in was called the real result"]);
  });

  it.each<[number, number, boolean]>([
    [20, 30, true],
    [20, 31, false],
    [4, 14, true],
    [4, 15, false],
    [100, 150, true],
    [100, 151, false],
  ])("a time of %i s is held to it: after %i s it is %s", async (saidSeconds, cameAfterSeconds, isTrue) => {
    const lease = await world.claimNew();
    owner.outlook = { ...owner.outlook, etaMs: saidSeconds * secondMs };
    await look(lease.jobId);
    await world.clock.advance(cameAfterSeconds * secondMs);
    owner.outlook = { ...owner.outlook, etaMs: null };
    await deliver(world, lease);
    await look(lease.jobId);
    const sentence = `a video was said to come in ${saidSeconds}.0 s, and came after ${cameAfterSeconds}.0 s`;
    expect(claims.found).toEqual(isTrue ? [] : [sentence]);
  });

  it("a time that was said before the service could know of the trouble is not held against it", async () => {
    const lease = await world.claimNew();
    owner.outlook = { ...owner.outlook, etaMs: secondMs };
    await look(lease.jobId, false);
    owner.outlook = { ...owner.outlook, etaMs: null };
    await world.clock.advance(60 * secondMs);
    await deliver(world, lease);
    await look(lease.jobId);
    expect(claims.found).toEqual([]);
  });
});

describe("what is said of a repair", () => {
  let seq = 0;
  const rowOf = (event: ReturnType<typeof eventOf>, atMs: number): EventRow => {
    seq += 1;
    return { actor: "service", jobId: null, incidentId: null, workerId: null, ...event, seq, atMs } as EventRow;
  };
  const failed = (atMs: number, change: object = {}): EventRow =>
    rowOf(
      { ...eventOf("job.retried", { attempt_ended_as: "error", code: "WORKER_ERROR", ...change }), jobId: "job-1" },
      atMs,
    );
  const ended = (atMs: number, action: RecoveryAction, outcome: "effective" | "ineffective"): EventRow =>
    rowOf(eventOf("rung.ended", { action, outcome }), atMs);
  const judge = (...rows: readonly EventRow[]): readonly string[] => {
    const claims = new ClaimCheck();
    for (const row of rows) claims.noteRow(row, new Set(["job-1"]));
    return claims.found;
  };

  it("is false when the same job fails in the same way afterwards", () => {
    expect(judge(failed(0), ended(8_000, "restart_pipeline", "effective"), failed(8_200))).toEqual([
      "restart_pipeline was called effective, and the same job failed alike 0.2 s later",
    ]);
  });

  const revised = (atMs: number, startedAtMs: number): EventRow =>
    rowOf(
      eventOf("rung.revised", {
        action: "restart_pipeline",
        started_at_ms: startedAtMs,
        from: "effective",
        to: "ineffective",
      }),
      atMs,
    );
  const effective = (atMs: number, startedAtMs: number): EventRow =>
    rowOf(
      eventOf("rung.ended", {
        action: "restart_pipeline",
        outcome: "effective",
        started_at_ms: startedAtMs,
        ended_at_ms: atMs,
      }),
      atMs,
    );

  it.each<[string, readonly EventRow[]]>([
    ["before the job's failure was told", [failed(0), effective(2, 1), revised(3, 1), failed(4)]],
    ["after it", [failed(0), effective(2, 1), failed(3), revised(4, 1)]],
  ])("that was taken back %s is no claim any more", (_, rows) => {
    expect(judge(...rows)).toEqual([]);
  });

  it("stands for each repair that was not taken back", () => {
    expect(judge(failed(0), effective(2, 1), failed(3), effective(5, 4), failed(6), revised(7, 1))).toHaveLength(1);
  });

  it.each<[string, readonly EventRow[]]>([
    ["it was not called effective", [failed(0), ended(1, "restart_pipeline", "ineffective"), failed(2)]],
    [
      "the job fails otherwise",
      [failed(0), ended(1, "restart_pipeline", "effective"), failed(2, { code: "WORKER_STALLED" })],
    ],
    ["the job failed for the first time", [ended(1, "restart_pipeline", "effective"), failed(2)]],
    [
      "its worker died",
      [failed(0), ended(1, "restart_pipeline", "effective"), failed(2, { attempt_ended_as: "death" })],
    ],
    [
      "it is somebody else's job",
      [failed(0), ended(1, "clear_gpu_cache", "effective"), { ...failed(2), jobId: "job-2" }],
    ],
  ])("stands when %s", (_, rows) => {
    expect(judge(...rows)).toEqual([]);
  });
});
