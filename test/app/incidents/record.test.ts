import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createActor } from "xstate";
import { differenceInFacts } from "../../../src/app/incidents/incident-facts.ts";
import { createIncidentReader } from "../../../src/app/incidents/incident-reader.ts";
import { isRecordedActor, rowOfTransition } from "../../../src/app/incidents/incident-steps.ts";
import { createRecorder } from "../../../src/app/incidents/recorder.ts";
import { openRecoveryLedger } from "../../../src/app/incidents/recovery-ledger.ts";
import { readResumedFacts } from "../../../src/app/incidents/resume-facts.ts";
import { StoreError } from "../../../src/core/errors.ts";
import type { RungResult } from "../../../src/core/fault.ts";
import { hourMs, minuteMs, secondMs } from "../../../src/core/units.ts";
import type { RecoveryReport } from "../../../src/machines/recovery-types.ts";
import type { SupervisorFact } from "../../../src/machines/supervisor-types.ts";
import { classify } from "../../../src/recovery/classify.ts";
import { secretPrompt } from "../../unit/job-store-world.ts";
import { type AppWorld, createAppWorld, workerId } from "../app-world.ts";

let world: AppWorld;
let told: SupervisorFact[];
let lostCount: number;
beforeEach(async () => {
  world = await createAppWorld();
  told = [];
  lostCount = 0;
});
afterEach(() => world.close());

/** Records facts as the supervisor reports them. */
async function record(...facts: readonly SupervisorFact[]): Promise<void> {
  const metrics = {
    factLost: () => {
      lostCount += 1;
    },
  };
  const actor = createActor(
    createRecorder({ ...world, metrics }, { atOnce: () => undefined, written: (fact) => told.push(fact) }).actor,
    {
      input: undefined,
    },
  ).start();
  for (const fact of facts) actor.send(fact);
  await world.clock.settle();
  actor.stop();
}

const fault = classify({
  message: `CUDA out of memory while rendering, prompt: "${secretPrompt}"`,
  silentForMs: 10_000,
});
const opened = (change: object = {}): SupervisorFact => ({
  type: "incident.opened",
  id: "incident-1",
  key: "worker-0:vram_exhaustion",
  workerId,
  failureType: "vram_exhaustion",
  fault,
  model: null,
  jobId: null,
  attendance: "recovery",
  atMs: world.clock.nowMs(),
  orderId: null,
  ...change,
});
const rungResult: RungResult = {
  action: "clear_gpu_cache",
  outcome: "effective",
  reason: "10.0 GiB were freed",
  evidence: null,
  startedAtMs: 1_000,
  endedAtMs: 3_000,
};
const rungEnded: SupervisorFact = {
  type: "rung.ended",
  id: "incident-1",
  workerId,
  failureType: "vram_exhaustion",
  climb: 1,
  result: rungResult,
};

describe("the record of an incident", () => {
  it("begins when its first sign was, not when somebody noticed", async () => {
    await record(opened());
    const incident = await world.store.incidents.get("incident-1");
    expect(incident).toMatchObject({ status: "open", workerId, failureType: "vram_exhaustion" });
    expect(incident?.firstEvidenceAtMs).toBe(world.clock.nowMs() - 10_000);
  });

  it("has no first sign where nothing was observed, as when an operator asked", async () => {
    await record(opened({ fault: { ...fault, evidence: {} } }));
    expect(await world.store.incidents.get("incident-1")).toMatchObject({ firstEvidenceAtMs: null });
  });

  it("holds no words of those who asked", async () => {
    await record(opened(), { type: "incident.joined", id: "incident-1", fault, jobId: null, orderId: null });
    const rows = await world.rows("incident.opened", "incident.joined");
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toContain(secretPrompt);
  });

  it("closes with the number of its climbs", async () => {
    await record(opened(), { type: "incident.closed", id: "incident-1", status: "resolved", climbCount: 2 });
    expect(await world.store.incidents.get("incident-1")).toMatchObject({ status: "resolved" });
    expect((await world.rows("incident.closed")).map(({ data }) => data)).toEqual([
      { climbs: 2, status: "resolved", failure_type: "vram_exhaustion", open_ms: 0 },
    ]);
  });

  it("closes with who was found to blame", async () => {
    await record(opened(), {
      type: "incident.closed",
      id: "incident-1",
      status: "resolved",
      climbCount: 0,
      blame: "job",
    });
    expect(await world.rows("incident.closed")).toMatchObject([{ data: { blame: "job" } }]);
  });

  it("facts are told in the order in which they came", async () => {
    await record(opened(), rungEnded, { type: "mode.changed", from: "ready", to: "recovering" });
    expect(told.map(({ type }) => type)).toEqual(["incident.opened", "rung.ended", "mode.changed"]);
  });

  it("a fact that could not be written is counted, said, and told all the same", async () => {
    const events = {
      ...world.store.events,
      append: () => Promise.reject(new StoreError("DISK_FULL", "no room", { retryable: true })),
    };
    const store = { ...world.store, events };
    const metrics = {
      factLost: () => {
        lostCount += 1;
      },
    };
    const actor = createActor(
      createRecorder({ ...world, store, metrics }, { atOnce: () => undefined, written: (fact) => told.push(fact) })
        .actor,
      {
        input: undefined,
      },
    );
    actor.start().send({ type: "mode.changed", from: "ready", to: "mock" });
    await world.clock.settle();
    expect([lostCount, told.length]).toEqual([1, 1]);
    expect(world.lines).toContainEqual(expect.objectContaining({ event: "fact.notRecorded", fact: "mode.changed" }));
    actor.stop();
  });

  it("no row of a model or a child keeps a token, nor who may ask at an address", async () => {
    const message = "401 for https://ada:pa55word@hub.example/model?token=hf_abcdefghijkl, Bearer hf_abcdefghijkl";
    const data = { model: "T2V-A14B", code: "NETWORK_UNREACHABLE", message } as const;
    await record(
      { type: "model.loadFailed", workerId, data },
      { type: "model.setAside", workerId, data },
      { type: "child.crashed", childId: "health", message },
    );
    const rows = await world.rows("model.loadFailed", "model.setAside", "child.crashed");
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(JSON.stringify(row.data)).not.toMatch(/hf_|pa55word/);
  });

  it("what happens to workers, models, health and children has its row", async () => {
    await record(
      { type: "worker.connected", workerId, data: { pid: 7, adopted: false, device: "GPU-0" } },
      {
        type: "model.loadFailed",
        workerId,
        data: { model: "T2V-A14B", code: "WORKER_STALLED", message: "it stood still" },
      },
      { type: "pipeline.stalled", workerId, data: { job_id: "job-1", main_thread_idle_ms: null } },
      { type: "child.crashed", childId: "health", message: "it threw" },
      { type: "budget.exhausted", workerId, action: "restart_pipeline", retryAtMs: 5 },
    );
    const rows = await world.rows(
      "worker.connected",
      "model.loadFailed",
      "pipeline.stalled",
      "child.crashed",
      "budget.exhausted",
    );
    expect(rows.map(({ kind, data }) => [kind, data])).toEqual([
      ["worker.connected", { pid: 7, adopted: false, device: "GPU-0" }],
      ["model.loadFailed", { model: "T2V-A14B", code: "WORKER_STALLED", message: "it stood still" }],
      ["pipeline.stalled", { job_id: "job-1", main_thread_idle_ms: null }],
      ["child.crashed", { child: "health", message: "it threw" }],
      ["budget.exhausted", { action: "restart_pipeline", retry_at_ms: 5 }],
    ]);
  });
});

describe("what the next start takes up", () => {
  const resume = () => readResumedFacts(world.store, world.clock.nowMs());

  it("an incident whose fault it cannot read is closed: nobody could work on it or end it", async () => {
    await record(opened());
    const stored = await world.store.incidents.get("incident-1");
    const listOpen = async () => (stored === null ? [] : [{ ...stored, data: { model: null } }]);
    const incidents = { ...world.store.incidents, listOpen };
    expect(await readResumedFacts({ ...world.store, incidents }, 1)).toMatchObject({ incidents: [] });
    expect(await world.store.incidents.get("incident-1")).toMatchObject({ status: "abandoned" });
  });

  it("is nothing on a new state directory", async () => {
    expect(await resume()).toEqual({
      budgetSpentAtMs: [],
      trials: [],
      cooldowns: {},
      breakers: {},
      pause: null,
      drain: null,
      incidents: [],
    });
  });

  it("is budget, cooldowns and breakers as they were", async () => {
    const breakers = { [workerId]: { untilMs: 9, openingCount: 2 } };
    await record(
      { type: "budget.spent", spentAtMs: [1, 2], workerId, action: "restart_pipeline" },
      { type: "cooldown.started", cooldowns: { a: 5 }, id: "incident-1", untilMs: 5 },
      { type: "breaker.opened", workerId, breakers, because: "it failed" },
    );
    expect(await resume()).toMatchObject({ budgetSpentAtMs: [1, 2], cooldowns: { a: 5 }, breakers });
    expect(await world.rows("cooldown.started")).toMatchObject([{ incidentId: "incident-1", data: { until_ms: 5 } }]);
  });

  it("is an operator's pause and drain, until somebody resumed", async () => {
    const pause = { isReleasing: true, by: "operator:a", atMs: 4 };
    const drain = { by: "operator:a", atMs: 4 };
    await record({ type: "intake.paused", pause }, { type: "intake.drained", drain });
    expect(await resume()).toMatchObject({ pause, drain });
    await record({ type: "intake.resumed", by: "operator:b" });
    expect(await resume()).toMatchObject({ pause: null, drain: null });
    expect(await world.rows("intake.resumed")).toMatchObject([{ actor: "operator:b" }]);
  });

  it("is each open incident, with its climbs counted and a look back at once", async () => {
    const data = { look_back_at_ms: 1, climbs: 2, look_backs: 4 };
    await record(opened(), { type: "incident.stoodIn", id: "incident-1", workerId, data });
    await world.clock.advance(hourMs);
    expect((await resume()).incidents).toMatchObject([
      {
        id: "incident-1",
        workerId,
        failureType: "vram_exhaustion",
        resume: { kind: "standingIn", untilMs: world.clock.nowMs(), climbCount: 2, lookBackCount: 4 },
      },
    ]);
  });

  it("one that was exhausted stays that, and a closed one is over", async () => {
    const data = { look_back_at_ms: 1, climbs: 3, look_backs: 1 };
    await record(
      opened(),
      opened({ id: "incident-2", key: "other" }),
      { type: "incident.exhausted", id: "incident-1", workerId, data },
      { type: "incident.closed", id: "incident-2", status: "abandoned", climbCount: 0 },
    );
    expect((await resume()).incidents).toMatchObject([{ id: "incident-1", resume: { kind: "exhausted" } }]);
  });
});

describe("the ledger of rungs", () => {
  it("reads back at a start what was tried before it", async () => {
    await record(opened(), rungEnded);
    const ledger = await openRecoveryLedger(world.store);
    expect(ledger.list()).toMatchObject([
      {
        failureType: "vram_exhaustion",
        workerId,
        incidentId: "incident-1",
        result: { action: "clear_gpu_cache", outcome: "effective", startedAtMs: 1_000, endedAtMs: 3_000 },
      },
    ]);
  });

  it("takes rungs up as they end, and nothing else", async () => {
    const ledger = await openRecoveryLedger(world.store);
    ledger.note(opened());
    ledger.note(rungEnded);
    expect(ledger.list()).toHaveLength(1);
  });
});

describe("the story of an incident", () => {
  const reader = () => createIncidentReader(world.store, world.clock);
  const exit = { code: null, signal: "SIGKILL", expected: false };

  it("has its own rows, what happened to its worker meanwhile, and the jobs that it touched", async () => {
    const jobId = await world.submit();
    await world.clock.advance(secondMs);
    await record(opened({ jobId }));
    await world.clock.advance(secondMs);
    await record(
      { type: "worker.exited", workerId, data: exit },
      { type: "worker.exited", workerId: "worker-9", data: exit },
    );
    await world.clock.advance(minuteMs);
    await record({ type: "incident.closed", id: "incident-1", status: "resolved", climbCount: 1 });
    await world.clock.advance(hourMs);
    await record({ type: "worker.connected", workerId, data: { pid: 7, adopted: false, device: "GPU-0" } });
    const story = await reader().find("incident-1");
    expect(story?.rows.map(({ kind, workerId: id }) => [kind, id])).toEqual([
      ["incident.opened", workerId],
      ["worker.exited", workerId],
      ["incident.closed", null],
    ]);
    expect(story).toMatchObject({ isTruncated: false, jobCount: 1, jobs: [{ job: { id: jobId } }] });
  });

  it("hides what was asked for wherever a row quotes it", async () => {
    const jobId = await world.submit();
    await record(opened({ jobId }));
    const data = { fence: 1, why: `refused: ${secretPrompt}`, model: "T2V-A14B" };
    await world.store.events.append([{ kind: "job.released", incidentId: "incident-1", workerId, data }]);
    const story = await reader().find("incident-1");
    expect(JSON.stringify(story?.rows)).not.toContain(secretPrompt);
    expect(story?.rows.at(-1)?.data).toMatchObject({ why: "refused: [prompt]" });
  });

  it("of nobody is none", async () => {
    expect(await reader().find("incident-of-nobody")).toBeNull();
  });
});

describe("the steps that an incident is replayed from", () => {
  const frame = {
    actor: "recovery/incident-1",
    from: "diagnosing",
    to: "choosing",
    event: "xstate.init",
    tags: [],
  } as const;

  it("are kept of incidents alone", () => {
    expect(["recovery/incident-1", "worker-0/pipeline"].map(isRecordedActor)).toEqual([true, false]);
    expect(rowOfTransition({ ...frame, actor: "worker-0/pipeline" })).toMatchObject({
      kind: "machine.transitioned",
      data: { actor: "worker-0/pipeline" },
    });
  });

  it("keep what the actor was given, without the service's own clock and parent, and no secret", () => {
    const input = { incidentId: "incident-1", parent: {}, clock: {}, note: `prompt: "${secretPrompt}"` };
    const row = rowOfTransition({
      ...frame,
      step: { number: 1, atMs: 5, event: { type: "xstate.init", input }, reports: ["rung.started"] },
    });
    expect(row).toMatchObject({
      incidentId: "incident-1",
      data: { step: { number: 1, at_ms: 5, payload: { incidentId: "incident-1" }, reports: ["rung.started"] } },
    });
    expect(JSON.stringify(row)).not.toContain(secretPrompt);
    expect(JSON.stringify(row)).not.toContain("parent");
  });
});

describe("the facts of a replay", () => {
  const about = { incidentId: "incident-1", workerId } as const;
  const reports: readonly RecoveryReport[] = [
    { ...about, type: "rung.ended", failureType: "vram_exhaustion", climb: 1, result: rungResult, ailment: null },
  ];

  async function recordedRows() {
    await record(opened(), rungEnded);
    return world.rows("rung.ended");
  }

  it("agree with the rows that the recorder wrote", async () => {
    expect(differenceInFacts(await recordedRows(), reports, true)).toEqual([]);
  });

  it("that no report explains are the first difference", async () => {
    const rows = await recordedRows();
    expect(differenceInFacts(rows, [], true)).toMatchObject([
      { where: expect.stringContaining("rung.ended"), replayed: "nothing" },
    ]);
  });

  it("of a life that was cut off may be ahead of its steps", async () => {
    expect(differenceInFacts(await recordedRows(), [], false)).toEqual([]);
  });

  it("that say something else than the report differ", async () => {
    const [row] = await recordedRows();
    if (row === undefined) throw new Error("no row was written");
    const changed = { ...row, data: { ...row.data, outcome: "failed" as const } };
    expect(differenceInFacts([changed], reports, true)).toHaveLength(1);
  });
});
