import { describe, expect, it } from "vitest";
import { createOutsideEnds, type EvidenceNeeds, followMachine } from "../../../src/app/workers/exit-evidence.ts";
import { createWorkerLinks } from "../../../src/app/workers/worker-links.ts";
import type { Evidence } from "../../../src/core/fault.ts";
import type { ProcessFollower } from "../../../src/core/ports/telemetry-probe.ts";
import { hourMs, secondMs } from "../../../src/core/units.ts";
import { createVirtualClock } from "../../../src/core/virtual-clock.ts";
import { classify } from "../../../src/recovery/classify.ts";

const ref = { workerId: "w0", pid: 7, startTicks: 1, bootId: "b", socketPath: "s", token: "t" };

function follow(followProcess: EvidenceNeeds["probe"]["followProcess"]) {
  const clock = createVirtualClock();
  const warnings: unknown[] = [];
  const follower = followMachine(
    {
      clock,
      links: createWorkerLinks(),
      logger: { warn: (line) => warnings.push(line) },
      probe: followProcess === undefined ? {} : { followProcess },
    },
    ref,
  );
  return { clock, warnings, follower };
}

const trailOf = (evidence: ProcessFollower["evidence"]) => async (): Promise<ProcessFollower> => ({
  evidence,
  end: () => undefined,
});

describe("what the machine tells of a worker's end", () => {
  it("is nothing where the machine tells nothing", () => {
    expect(follow(undefined).follower).toBeNull();
  });

  it("is what kernel and card said", async () => {
    const { follower } = follow(trailOf(async () => ({ oomKillCount: 1 })));
    expect(await follower?.evidence()).toEqual({ oomKillCount: 1 });
  });

  it("is given up after two seconds: a card whose tool hangs holds no restart up", async () => {
    const { clock, follower } = follow(trailOf(() => new Promise(() => undefined)));
    let told: unknown = "nothing yet";
    void follower?.evidence().then((evidence) => {
      told = evidence;
    });
    await clock.advance(2 * secondMs - 1);
    expect(told).toBe("nothing yet");
    await clock.advance(1);
    expect(told).toEqual({});
    expect(clock.pendingCount).toBe(0);
  });

  it.each([
    ["cannot be followed", () => Promise.reject(new Error("no /proc"))],
    ["fails when it is asked", trailOf(() => Promise.reject(new Error("the card's tool ended")))],
  ])("is empty, and said in the log, where it %s", async (_, followProcess) => {
    const { follower, warnings } = follow(followProcess);
    expect(await follower?.evidence()).toEqual({});
    expect(warnings).toMatchObject([{ event: "machine.untold", actor: "w0", pid: 7 }]);
  });
});

it("ends from outside are counted by worker for an hour; crashes, and kills on request, are none", async () => {
  const clock = createVirtualClock();
  const ends = createOutsideEnds({ clock });
  const counted = (workerId: string, evidence: Evidence) => ends.count(workerId, evidence).outsideEndCount;
  expect(counted("a", { exitSignal: "SIGTERM" })).toBe(1);
  expect(counted("a", { exitSignal: "SIGSEGV" })).toBeUndefined();
  expect(counted("a", { exitSignal: "SIGKILL", isOnRequest: true })).toBeUndefined();
  expect(counted("b", { exitCode: 0 })).toBe(1);
  expect(counted("a", { exitCode: 143 })).toBe(2);
  const third = ends.count("a", { exitSignal: "SIGKILL" });
  expect(third.outsideEndCount).toBe(3);
  expect(classify(third).operatorAction).toMatch(/^Find out who ends/);
  await clock.advance(hourMs);
  expect(counted("a", { exitCode: 0 })).toBe(1);
});
