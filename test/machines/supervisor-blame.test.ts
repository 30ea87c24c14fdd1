/** What the supervisor makes of a job's failure, of who is to blame for it, and of what jobs show of a repair afterwards. */
import { describe, expect, it } from "vitest";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import type { RecoveryReport } from "../../src/machines/recovery-types.ts";
import { contextOf } from "../../src/machines/supervisor-context.ts";
import { unknownWorker } from "../../src/machines/supervisor-facts.ts";
import type { Route } from "../../src/machines/supervisor-route.ts";
import { routeOf } from "../../src/machines/supervisor-routes.ts";
import type { SupervisorContext, SupervisorEvent } from "../../src/machines/supervisor-types.ts";
import { classify } from "../../src/recovery/classify.ts";
import { defaultLadders } from "../../src/recovery/ladders.ts";
import { signatureOf } from "../../src/recovery/signature.ts";
import { ailmentOf } from "../../src/recovery/trials.ts";

const clock = { atMs: 1_000_000, nowMs: () => clock.atMs };
const begun = (): SupervisorContext =>
  contextOf({
    epoch: 1,
    lead: "T2V-A14B",
    workers: [{ id: "a", model: "T2V-A14B", profile: "model-offload" }],
    ladders: defaultLadders,
    clock,
    catalog: createModelCatalog(),
    gpuExpectation: "always",
  });

/** Plays events one after the other; answers where they lead, and what the last one made. */
function play(
  context: SupervisorContext,
  ...events: readonly SupervisorEvent[]
): { context: SupervisorContext; last: Route } {
  let now = context;
  let last: Route = { change: {}, sends: [], facts: [], spawns: [] };
  for (const event of events) {
    last = routeOf(now, event, false);
    now = { ...now, ...last.change };
  }
  return { context: now, last };
}
const factsOf = ({ facts }: Route): readonly string[] => facts.map(({ type }) => type);

const odd = classify({ message: "tensors of 81 and 80 do not match" });
const failed = (jobId: string, fault = odd): SupervisorEvent => ({
  type: "fault.raised",
  isHealthOnly: false,
  report: { fault, jobId, model: "T2V-A14B", workerId: "a", atMs: 0 },
});
const about = { incidentId: "inc-1-1", workerId: "a" } as const;
const settled = (blame: "job" | "route", isClimbInVain = false): RecoveryReport => ({
  type: "blame.settled",
  ...about,
  blame,
  because: "because",
  jobIds: ["j1"],
  jobCount: 1,
  signature: signatureOf(odd),
  isClimbInVain,
});
const ended = (outcome: "effective" | "unknown", startedAtMs = 5): RecoveryReport => ({
  type: "rung.ended",
  ...about,
  failureType: "generation_pipeline_error",
  climb: 1,
  ailment: ailmentOf(odd, ["j1"]),
  result: { action: "restart_pipeline", outcome, reason: "r", evidence: null, startedAtMs, endedAtMs: 6 },
});
const succeeded = (jobId: string): SupervisorEvent => ({ type: "job.ended", workerId: "a", jobId, isSuccessful: true });

describe("a job's failure that may be its own", () => {
  it("is checked before anything is repaired", () => {
    const { last } = play(begun(), failed("j1"));
    expect(last.spawns).toMatchObject([{ incident: { stage: "checking", jobIds: ["j1"] }, isClimbInVain: false }]);
  });
  it("is repaired at once when the evidence decides alone", () => {
    const { last } = play(begun(), failed("j1", classify({ errorNumber: "ENOSPC" })));
    expect(last.spawns).toMatchObject([{ incident: { stage: "working" } }]);
  });
  it("is repaired from then on when the worker is to blame", () => {
    const { context } = play(begun(), failed("j1"), settled("route"));
    expect(context.incidents["inc-1-1"]?.stage).toBe("working");
  });
  it("leaves the worker alone while the job is to blame", () => {
    const { context, last } = play(begun(), failed("j1"), settled("job"));
    expect(last.sends).toEqual([]);
    expect(factsOf(last)).toEqual(["blame.settled"]);
    expect(context.incidents["inc-1-1"]?.stage).toBe("checking");
  });
  it.each(["job", "route"] as const)("its incident ends with who was to blame: the %s", (blame) => {
    const closed = { type: "incident.resolved", ...about, climbCount: 0, atMs: 0 } as const;
    const { last } = play(begun(), failed("j1"), settled(blame), closed);
    expect(last.facts).toContainEqual({
      type: "incident.closed",
      id: "inc-1-1",
      status: "resolved",
      climbCount: 0,
      blame,
    });
  });
  it("joins the jobs that fail alike while it is looked into, and no others", () => {
    const { context } = play(begun(), failed("j1"), failed("j2"), failed("j3", classify({ message: "another" })));
    expect(context.incidents["inc-1-1"]?.jobIds).toEqual(["j1", "j2"]);
  });
  it("is not climbed for again while a ladder for it was in vain of late", () => {
    clock.atMs = 1_000_000;
    const closed = { type: "incident.resolved", ...about, climbCount: 1, atMs: 0 } as const;
    const { context } = play(begun(), failed("j1"), settled("job", true), closed);
    expect(play(context, failed("j2")).last.spawns).toMatchObject([{ isClimbInVain: true }]);
    expect(play(context, failed("j2", classify({ message: "another" }))).last.spawns).toMatchObject([
      { isClimbInVain: false },
    ]);
    clock.atMs += 600_001;
    expect(play(context, failed("j2")).last.spawns).toMatchObject([{ isClimbInVain: false }]);
  });
});

describe("a repair of a job's failure", () => {
  it("is told to have helped when the job gets its result", () => {
    const { context, last } = play(begun(), failed("j1"), ended("unknown"), succeeded("j1"));
    expect(last.facts).toMatchObject([
      { type: "rung.revised", id: "inc-1-1", data: { from: "unknown", to: "effective", started_at_ms: 5 }, trials: [] },
    ]);
    expect(context.trials).toEqual([]);
  });
  it("has nothing to wait for when the job had its result before the repair was told", () => {
    const { context, last } = play(begun(), failed("j1"), succeeded("j1"), ended("unknown"));
    expect(last.facts).toMatchObject([
      { type: "rung.ended" },
      { type: "rung.revised", data: { from: "unknown", to: "effective" }, trials: [] },
    ]);
    expect(context.trials).toEqual([]);
  });
  it.each([
    ["fails alike again", failed("j1")],
    [
      "ends its worker alike",
      {
        type: "worker.exited",
        workerId: "a",
        exit: null,
        evidence: { message: odd.message },
        isExpected: false,
      } as const,
    ],
  ])("is told not to have helped when the job %s", (_, event) => {
    const before = play(begun(), failed("j1"), ended("effective"), ended("unknown", 9)).context;
    const { last } = play({ ...before, workers: { a: { ...unknownWorker, jobId: "j1" } } }, event);
    const revised = last.facts.flatMap((fact) => (fact.type === "rung.revised" ? [fact.data] : []));
    expect(revised).toMatchObject([
      { from: "effective", to: "ineffective", started_at_ms: 5 },
      { from: "unknown", to: "ineffective", started_at_ms: 9 },
    ]);
  });
  it("is kept for the next start, and stays as it is for what other jobs do", () => {
    const { context, last } = play(begun(), failed("j1"), ended("effective"));
    expect(last.facts.at(-1)).toMatchObject({ type: "trials.changed", trials: [{ outcome: "effective" }] });
    expect(factsOf(play(context, succeeded("j9")).last)).toEqual([]);
    expect(factsOf(play(context, succeeded("j1")).last)).toEqual(["trials.changed"]);
  });
  it("ends undecided after a day", () => {
    clock.atMs = 1_000_000;
    const { context } = play(begun(), failed("j1"), ended("unknown"));
    clock.atMs += 86_400_000;
    expect(play(context, { type: "incidents.sweep" }).last.facts).toMatchObject([
      { type: "rung.revised", data: { to: "unknown" } },
    ]);
  });
});

describe("a service that stops", () => {
  it("opens no incident that nobody would work on", () => {
    const draining = { ...begun(), mode: "draining" } as const;
    const exited = { type: "worker.exited", workerId: "a", exit: null, evidence: { exitSignal: "SIGKILL" } } as const;
    const route = routeOf(draining, { ...exited, isExpected: false }, true);
    expect(factsOf(route)).toEqual(["worker.exited"]);
    expect([route.change.incidents, route.spawns]).toEqual([undefined, []]);
  });
});
