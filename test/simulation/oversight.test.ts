import { describe, expect, it } from "vitest";
import type { TimelineRow } from "../../src/core/events.ts";
import { minuteMs, secondMs } from "../../src/core/units.ts";
import { createDisturbances } from "./disturbances.ts";
import { failureInProof, isNeverBlamed, isPlaceBlamed, meetDefect } from "./job-defects.ts";
import { createPromiseBook } from "./promises.ts";
import { createRefutations } from "./refutations.ts";

const jobId = "job-1";
const incidentId = "inc-1";
const nobody = { jobId: null, incidentId: null, workerId: null, actor: "service" };
let seq = 0;

interface RowAbout {
  readonly jobId?: string;
  readonly incidentId?: string;
  readonly data?: object;
}

/** A row as the store would give it; the reader of one looks at the fields of its kind alone. */
const row = (kind: string, atMs: number, about: RowAbout): TimelineRow => {
  seq += 1;
  return { ...nobody, seq, kind, atMs, data: {}, ...about } as unknown as TimelineRow;
};

const atOnce = {
  atMs: 0,
  consent: "stand_in_then_real",
  mode: "ready",
  sentence: "A video submitted now is rendered at once by the main model.",
  expectedAtMs: 100 * secondMs,
} as const;
const standInsOnly = { ...atOnce, mode: "mock", sentence: "Stand-ins only.", expectedAtMs: null } as const;
const claimed = (atMs: number) => row("job.claimed", atMs, { jobId });
const delivered = (atMs: number) => row("job.succeeded", atMs, { jobId, data: { served_by: "real" } });
const stoodIn = (atMs: number) => row("job.stoodIn", atMs, { jobId });
const refused = (atMs: number) => row("job.failed", atMs, { jobId, data: { code: "NO_REAL_ROUTE" } });

describe("the book of promises", () => {
  it.each([
    ["at once is at once, and in time", atOnce, [claimed(5_000), delivered(90_000)], 0],
    ["a claim that came late", atOnce, [claimed(70_000), delivered(200_000)], 1],
    ["a video that came late", atOnce, [claimed(5_000), delivered(20 * minuteMs)], 1],
    ["a stand-in where a real video was promised", atOnce, [claimed(5_000), stoodIn(6_000), delivered(90_000)], 1],
    ["a refusal where a real video was promised", { ...atOnce, consent: "fail" }, [refused(5_000)], 1],
    ["a stand-in where stand-ins were promised", standInsOnly, [stoodIn(8_000)], 0],
    ["the real video before the stand-in", standInsOnly, [claimed(3_000)], 0],
    ["no stand-in although they were promised", standInsOnly, [], 1],
    ["a refusal where none was to be rendered", { ...standInsOnly, consent: "fail" }, [refused(9_000)], 0],
    ["nothing for who waits", { ...standInsOnly, consent: "wait" }, [], 0],
  ] as const)("%s", (_name, said, rows, brokenCount) => {
    const judge = (excuse: string | null): ReturnType<typeof createPromiseBook> => {
      const book = createPromiseBook();
      book.note(jobId, said);
      for (const one of rows) book.read(one);
      book.judge(60 * minuteMs, () => excuse);
      return book;
    };
    expect(judge(null).figures.broken > 0 ? 1 : 0).toBe(brokenCount);
    expect(judge(null).broken.length).toBe(judge(null).figures.broken);
    const excused = judge("kill").figures;
    expect(excused.broken).toBe(0);
    expect(excused.excused).toBe(judge(null).figures.broken);
    expect(excused.compared).toBe(excused.kept + excused.excused);
  });

  it("judges no promise before it is due, and none twice", () => {
    const book = createPromiseBook();
    book.note(jobId, atOnce);
    book.judge(30 * secondMs, () => null);
    expect(book.figures.compared).toBe(0);
    book.judge(10 * minuteMs, () => null);
    book.judge(20 * minuteMs, () => null);
    expect(book.figures).toMatchObject({ compared: 2, broken: 2 });
  });
});

describe("outcomes that were refuted", () => {
  const message = "The size of tensor a (81) must match the size of tensor b (80)";
  const opened = row("incident.opened", 0, { incidentId, data: { job_id: jobId, fault: { message } } });
  const effective = row("rung.ended", 8_000, {
    incidentId,
    data: { action: "restart_pipeline", outcome: "effective", ended_at_ms: 8_000 },
  });
  const failed = (atMs: number, said: string) => row("job.retried", atMs, { jobId, data: { message: said } });
  const again = "The size of tensor a (91) must match the size of tensor b (90)";
  it.each([
    ["the same job that fails alike refutes it", [failed(9_000, again)], 1],
    ["a revision takes it back", [failed(9_000, again), row("rung.revised", 9_001, { incidentId })], 0],
    ["another failure says nothing of it", [failed(9_000, "no space left on device")], 0],
    ["a failure before it says nothing of it", [failed(7_000, again)], 0],
    ["a failure long after it says nothing of it", [failed(30 * minuteMs, again)], 0],
  ] as const)("%s", (_name, rows, count) => {
    const refutations = createRefutations();
    for (const one of [opened, effective, ...rows]) refutations.read(one);
    expect(refutations.findStanding(60 * minuteMs)).toHaveLength(count);
    expect(refutations.findStanding(61 * minuteMs)).toEqual([]);
  });
});

describe("defects of jobs", () => {
  const memory = { totalBytes: 1, allocatedBytes: 0, reservedBytes: 0, freeBytes: 1, peakBytes: 0 };
  const lasting = { fault: "raise", errorName: "tensor", phase: "denoise", atStep: 3, timesLeft: 2 } as const;
  const worldOf = () => ({ defects: new Map([[7, { ...lasting }]]), onDefect: () => undefined });
  const probe = { kind: "phase", phase: "denoise", request: { seed: 7 }, checkpointDir: "" };
  it("fail the attempts of their request alone, in their phase, as often as they last", () => {
    const world = worldOf();
    expect(meetDefect(world, 8, "denoise", 9)).toBeNull();
    expect(meetDefect(world, 7, "encode", 9)).toBeNull();
    expect(meetDefect(world, 7, "denoise", 2)).toBeNull();
    expect(meetDefect(world, 7, "denoise", 3)).not.toBeNull();
    expect(failureInProof(world, probe as never, memory)?.message).toMatch(/size of tensor/);
    expect(meetDefect(world, 7, "denoise", 3)).toBeNull();
  });
  it("pass every test render", () => {
    expect(failureInProof(worldOf(), { kind: "canary", model: "T2V-A14B" }, memory)).toBeNull();
  });
  it.each([
    ["tensor", false, false],
    ["host-alloc", false, false],
    ["model-file", false, false],
    ["gpu-lost", true, false],
    ["disk-full", true, true],
  ])("%s blames the place: %s, for ever: %s", (errorName, isPlace, isForEver) => {
    const defect = { ...lasting, errorName };
    expect([isPlaceBlamed(defect), isNeverBlamed(defect)]).toEqual([isPlace, isForEver]);
  });
});

describe("what the world did", () => {
  it("excuses what it overlaps, and a moment more", () => {
    const disturbances = createDisturbances();
    disturbances.note("neighbour", 10 * minuteMs, 20 * minuteMs);
    expect(disturbances.findWithin(0, 9 * minuteMs)).toBeNull();
    expect(disturbances.findWithin(15 * minuteMs, 16 * minuteMs)).toBe("neighbour");
    expect(disturbances.findWithin(20 * minuteMs + 10 * secondMs, 25 * minuteMs)).toBe("neighbour");
    expect(disturbances.findWithin(22 * minuteMs, 25 * minuteMs)).toBeNull();
  });
});
