import { afterEach, describe, expect, it } from "vitest";
import { type Actor, type AnyEventObject, createActor, fromCallback } from "xstate";
import { toActorClock } from "../../src/core/clock.ts";
import type { GpuStatus, HostDetails, Sample } from "../../src/core/ports/telemetry-probe.ts";
import { gibibyte } from "../../src/core/units.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { emptyDetails } from "../../src/gpu/empty-details.ts";
import { healthMonitorMachine } from "../../src/machines/health-monitor.machine.ts";
import type { HealthMonitorReport, SamplerEvent } from "../../src/machines/health-monitor-types.ts";
import { healthReportOf } from "../../src/machines/health-report.ts";
import type { GpuExpectation } from "../../src/recovery/health.ts";
import { createListeningParent } from "./listening-parent.ts";

let running: Actor<typeof healthMonitorMachine> | undefined;
afterEach(() => running?.stop());

interface Wanted {
  readonly cpuRatio?: number;
  readonly gpuUsedBytes?: number;
  readonly hasGpu?: boolean;
  readonly diskFreeBytes?: number;
  readonly gpuStatus?: Partial<GpuStatus>;
  readonly throttleMask?: number;
  readonly hostDetails?: Partial<HostDetails>;
}

const totalBytes = 80 * gibibyte;
function sampleAt(atMs: number, wanted: Wanted): Sample {
  const {
    cpuRatio = 0.1,
    gpuUsedBytes = 0,
    hasGpu = true,
    diskFreeBytes = 100 * gibibyte,
    gpuStatus,
    throttleMask = 0,
    hostDetails,
  } = wanted;
  const status: GpuStatus = { state: "measured", reason: null, measuredAtMs: atMs, evidence: {}, ...gpuStatus };
  const gpu = {
    uuid: "g0",
    name: "card",
    totalBytes,
    usedBytes: gpuUsedBytes,
    utilizationRatio: null,
    temperatureCelsius: null,
    unavailable: {},
    details: { ...emptyDetails, throttleMask },
  };
  const details: HostDetails = {
    diskTotalBytes: 200 * gibibyte,
    inodes: null,
    cgroup: null,
    pressure: { memory: null, cpu: null, io: null },
    unavailable: {},
    ...hostDetails,
  };
  const host = { cpuRatio, memoryRatio: 0.2, memoryUsedBytes: 2, memoryTotalBytes: 10, diskFreeBytes, details };
  const cards = { gpuKind: hasGpu ? "simulated" : "absent", gpus: hasGpu ? [gpu] : [] } as const;
  return { atMs, ...cards, ...(gpuStatus === undefined ? {} : { gpuStatus: status }), host };
}

/** The sampler measures what `measure` says, every 5 s; null = this measurement fails, undefined = it hangs. */
function startMonitor(measure: () => Wanted | null | undefined, gpuExpectation: GpuExpectation = "always") {
  const clock = createVirtualClock();
  const parent = createListeningParent<HealthMonitorReport>();
  const takeSamples = fromCallback<AnyEventObject, { readonly everyMs: number }>(({ sendBack, input, receive }) => {
    let timer: object | undefined;
    const look = (): void => {
      clock.clearTimer(timer);
      const wanted = measure();
      const event: SamplerEvent | null =
        wanted === undefined
          ? null
          : wanted === null
            ? { type: "sample.failed", message: "no answer", atMs: clock.nowMs() }
            : { type: "sample.taken", sample: sampleAt(clock.nowMs(), wanted) };
      if (event !== null) sendBack(event);
      timer = clock.setTimer(look, input.everyMs);
    };
    receive(({ type }) => {
      if (type === "sample.wanted") look();
    });
    timer = clock.setTimer(look, 0);
    return () => clock.clearTimer(timer);
  });
  const machine = healthMonitorMachine.provide({ actors: { takeSamples } });
  const actor = createActor(machine, {
    clock: toActorClock(clock),
    input: { parent: parent.ref, clock, gpuExpectation },
  }).start();
  running = actor;
  const health = () => healthReportOf(actor.getSnapshot().context);
  return {
    actor,
    clock,
    parent,
    health,
    is: (state: Parameters<ReturnType<typeof actor.getSnapshot>["matches"]>[0]) => actor.getSnapshot().matches(state),
  };
}

describe("the health monitor", () => {
  it("says unknown until something was measured, then healthy", async () => {
    const { clock, health } = startMonitor(() => ({}));
    expect(health()).toMatchObject({ status: "unknown", measuredAtMs: null });
    await clock.advance(5_000);
    expect(health().status).toBe("healthy");
  });
  it("enters a threshold after three samples in a row and leaves it five points lower", async () => {
    let cpuRatio = 0.85;
    const { clock, health } = startMonitor(() => ({ cpuRatio }));
    await clock.advance(9_999);
    expect(health().status).toBe("healthy");
    await clock.advance(1);
    expect(health().status).toBe("degraded");
    cpuRatio = 0.76;
    await clock.advance(30_000);
    expect(health().status).toBe("degraded");
    cpuRatio = 0.74;
    await clock.advance(5_000);
    expect(health().status).toBe("healthy");
  });
  it("is not moved by two high samples between low ones", async () => {
    let count = 0;
    const { clock, parent } = startMonitor(() => {
      count += 1;
      return { cpuRatio: count % 3 === 0 ? 0.1 : 0.99 };
    });
    await clock.advance(300_000);
    expect(parent.ofType("threshold.crossed")).toEqual([]);
  });
  it.each<[string, Wanted, string]>([
    ["a card that slows itself down", { throttleMask: 0x40 }, "throttling warning"],
    [
      "a host that waits for memory",
      { hostDetails: { pressure: { memory: { someRatio: 0.4, fullRatio: 0.2 }, cpu: null, io: null } } },
      "pressure warning",
    ],
    [
      "a file system that runs out of inodes",
      { hostDetails: { inodes: { totalCount: 1_000, freeCount: 5 } } },
      "inodes critical",
    ],
    [
      "a card whose driver wants a reset",
      { gpuStatus: { evidence: { recoveryAction: "GPU Reset" } } },
      "gpuPresence critical",
    ],
  ])("sees %s", async (_what, wanted, issue) => {
    const { clock, health } = startMonitor(() => wanted);
    await clock.advance(15_000);
    expect(health().issues.map(({ reading, severity }) => `${reading} ${severity}`)).toEqual([issue]);
  });
  it("opens no incident for a card that is slow for its heat, and one that names the reset for a card that needs it", async () => {
    const hot = startMonitor(() => ({ throttleMask: 0x40 }));
    await hot.clock.advance(60_000);
    expect(hot.parent.ofType("fault.raised")).toEqual([]);
    const { clock, parent } = startMonitor(() => ({ gpuStatus: { evidence: { recoveryAction: "GPU Reset" } } }));
    await clock.advance(15_000);
    expect(parent.ofType("fault.raised")).toMatchObject([{ report: { fault: { faultClass: "gpuResetRequired" } } }]);
  });
  it("takes the software power cap for what it is: normal under load", async () => {
    const { clock, health } = startMonitor(() => ({ throttleMask: 0x4 }));
    await clock.advance(15_000);
    expect(health().status).toBe("healthy");
  });
  it("gives each issue with what to do about it", async () => {
    const { clock, health } = startMonitor(() => ({ cpuRatio: 0.85, diskFreeBytes: gibibyte }));
    await clock.advance(15_000);
    expect(health().issues.map(({ reading, severity }) => `${reading} ${severity}`)).toEqual([
      "disk critical",
      "cpu warning",
    ]);
    expect(health().issues.every(({ recommendation }) => recommendation.length > 10)).toBe(true);
  });
  it("does not complain of a full card while the job is inside its known envelope", async () => {
    const { actor, clock, health } = startMonitor(() => ({ gpuUsedBytes: 78 * gibibyte }));
    actor.send({ type: "envelope.changed", workerId: "w0", deviceUuid: "g0", knownBytes: 77 * gibibyte });
    await clock.advance(60_000);
    expect(health().status).toBe("healthy");
  });
  it("raises a fault of the worker on the card when memory outside the envelope is nearly gone", async () => {
    const { actor, clock, parent, health } = startMonitor(() => ({ gpuUsedBytes: 79.5 * gibibyte }));
    actor.send({ type: "envelope.changed", workerId: "w7", deviceUuid: "g0", knownBytes: 20 * gibibyte });
    await clock.advance(10_000);
    expect(health().status).toBe("critical");
    expect(parent.ofType("fault.raised")).toMatchObject([
      {
        isHealthOnly: true,
        report: { workerId: "w7", fault: { failureType: "vram_exhaustion", contextPoisoned: false } },
      },
    ]);
  });
  it("takes a machine that turns out to have no card for what it is, and misses one that was there", async () => {
    let hasGpu = false;
    const { clock, health } = startMonitor(
      () => ({ hasGpu, gpuStatus: { state: hasGpu ? "measured" : "absent" } }),
      "asFound",
    );
    await clock.advance(60_000);
    expect(health().status).toBe("healthy");
    hasGpu = true;
    await clock.advance(60_000);
    expect(health().status).toBe("healthy");
    const lost = startMonitor(() => ({ hasGpu: false, gpuStatus: { state: "failed" } }), "asFound");
    await lost.clock.advance(60_000);
    expect(lost.health().status).toBe("critical");
  });
  it("takes a machine without a GPU as healthy", async () => {
    const { clock, health, parent } = startMonitor(() => ({ hasGpu: false }), "never");
    await clock.advance(60_000);
    expect(health().status).toBe("healthy");
    expect(parent.ofType("fault.raised")).toEqual([]);
  });
  it("is critical when a configured GPU does not answer", async () => {
    const { clock, health } = startMonitor(() => ({ hasGpu: false }), "always");
    await clock.advance(10_000);
    expect(health()).toMatchObject({ status: "critical", issues: [{ reading: "gpuPresence" }] });
  });
  it("is degraded at once, without a fault, when nobody can say how the GPU is, and critical only when it is known to be gone", async () => {
    let wanted: Wanted = {};
    const { clock, health, parent } = startMonitor(() => wanted);
    await clock.advance(10_000);
    expect(health().status).toBe("healthy");
    wanted = { hasGpu: false, gpuStatus: { state: "unknown" } };
    await clock.advance(5_000);
    expect(health()).toMatchObject({ status: "degraded", issues: [{ reading: "gpuPresence", severity: "warning" }] });
    await clock.advance(600_000);
    expect(parent.ofType("fault.raised")).toEqual([]);
    wanted = { hasGpu: false, gpuStatus: { state: "failed", evidence: { smiExitCode: 9 } } };
    await clock.advance(15_000);
    expect(health().status).toBe("critical");
    expect(parent.ofType("fault.raised")).toMatchObject([
      {
        report: {
          fault: {
            decidedBy: "nvidia-smi ended with 9: the driver is not loaded",
            evidence: { gpu: { smiExitCode: 9 } },
          },
        },
      },
    ]);
    wanted = {};
    await clock.advance(5_000);
    expect(health().status).toBe("healthy");
  });

  it("is critical when one of several cards is gone", async () => {
    const { clock, health } = startMonitor(() => ({
      gpuStatus: { state: "failed", evidence: { missingDeviceCount: 1 } },
    }));
    await clock.advance(15_000);
    expect(health()).toMatchObject({ status: "critical", issues: [{ reading: "gpuPresence" }] });
  });

  it("holds stand-ins back while the CPU is critical, and raises no fault for it", async () => {
    let cpuRatio = 0.99;
    const { clock, parent } = startMonitor(() => ({ cpuRatio }));
    await clock.advance(10_000);
    expect(parent.ofType("processor.ranShort")).toHaveLength(1);
    cpuRatio = 0.5;
    await clock.advance(5_000);
    expect(parent.ofType("processor.sufficed")).toHaveLength(1);
    expect(parent.ofType("fault.raised")).toEqual([]);
  });
  it("turns blind after three failed measurements and forgets what it had measured", async () => {
    let isBroken = false;
    const { clock, health, is } = startMonitor(() => (isBroken ? null : {}));
    await clock.advance(5_000);
    isBroken = true;
    await clock.advance(15_000);
    expect(is({ watching: "blind" })).toBe(true);
    expect(health().status).toBe("error");
    expect(Object.values(health().readings).every(({ level }) => level === "unknown")).toBe(true);
    isBroken = false;
    await clock.advance(20_000);
    expect(health().status).toBe("healthy");
  });
  it("turns blind when the sampler hangs, and starts it again", async () => {
    let isHanging = true;
    const { clock, health } = startMonitor(() => (isHanging ? undefined : {}));
    await clock.advance(20_000);
    expect(health().status).toBe("error");
    isHanging = false;
    await clock.advance(20_000);
    expect(health().status).toBe("healthy");
  });
  it("reports a check each minute, and at once when asked", async () => {
    const { actor, clock, parent } = startMonitor(() => ({}));
    await clock.advance(180_001);
    expect(parent.ofType("health.checked")).toHaveLength(4);
    actor.send({ type: "health.check" });
    expect(parent.ofType("health.checked")).toHaveLength(5);
  });
  it("measures at once when a check is asked for, and reports what it found then", async () => {
    let cpuRatio = 0.1;
    const { clock, parent, actor, health } = startMonitor(() => ({ cpuRatio }));
    await clock.advance(7_000);
    cpuRatio = 0.5;
    actor.send({ type: "health.check" });
    expect(health().measuredAtMs).toBe(clock.nowMs());
    expect(parent.ofType("health.checked").at(-1)?.health.readings.cpu.value).toBe(0.5);
  });
  it("tells a second threshold that is crossed or left, although the status stays, and each once", async () => {
    let wanted: Wanted = { cpuRatio: 0.85 };
    const { clock, parent } = startMonitor(() => wanted);
    const told = () =>
      parent.ofType("health.changed").map(({ health }) => `${health.status}: ${health.issues.map((i) => i.reading)}`);
    await clock.advance(15_000);
    wanted = { cpuRatio: 0.85, diskFreeBytes: 4 * gibibyte };
    await clock.advance(10_000);
    expect(told()).toEqual(["healthy: ", "degraded: cpu"]);
    await clock.advance(60_000);
    expect(told().slice(2)).toEqual(["degraded: cpu,disk"]);
    wanted = { diskFreeBytes: 4 * gibibyte };
    await clock.advance(60_000);
    expect(told().slice(3)).toEqual(["degraded: disk"]);
  });
  it("tells a failed measurement between two good ones to nobody", async () => {
    let wanted: Wanted | null = { cpuRatio: 0.85 };
    const { clock, parent } = startMonitor(() => wanted);
    await clock.advance(15_000);
    const before = parent.ofType("health.changed").length;
    wanted = null;
    await clock.advance(5_000);
    wanted = { cpuRatio: 0.85 };
    await clock.advance(15_000);
    expect(parent.ofType("health.changed")).toHaveLength(before);
  });
  it("knows nothing any more when it is stopped, says so, and measures no more", async () => {
    const { actor, clock, parent, health } = startMonitor(() => ({}));
    await clock.advance(5_000);
    actor.send({ type: "monitor.stop" });
    expect(actor.getSnapshot()).toMatchObject({ status: "done", output: { status: "unknown" } });
    expect(parent.ofType("health.changed").at(-1)).toMatchObject({ from: "healthy", health: { status: "unknown" } });
    expect(health()).toMatchObject({ status: "unknown", issues: [] });
    expect(clock.pendingCount).toBe(0);
  });
});
