import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createGpuBench, type GpuBench } from "../fixtures/gpu-bench.ts";
import { findProcesses } from "../harness/processes.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

let bench: GpuBench;
let state: ReturnType<typeof makeStateDir>;
let service: RunningService | null = null;
beforeEach(() => {
  bench = createGpuBench();
  state = makeStateDir();
});
afterEach(async () => {
  if (service !== null) await endService(service);
  service = null;
  await bench.end();
  state.remove();
});

const start = async (cards: string): Promise<RunningService> => {
  service = await startService({
    stateDir: state.path,
    env: {
      UNDERSTUDY_HEALTH_CARDS: cards,
      UNDERSTUDY_HEALTH_NVIDIA_SMI: `${bench.dir}/nvidia-smi`,
      UNDERSTUDY_HEALTH_SAMPLE: "200ms",
    },
  });
  return service;
};
const unknown = "Nobody can say how the GPU is: its tool does not answer.";
const gone = "A configured GPU does not answer, or its driver asks for a reset.";
/** Of the GPU alone: what else this machine complains of, such as a busy processor, is not asked. */
const reach = (
  running: RunningService,
  what: string,
  statuses: readonly string[],
  issue: string | null,
): Promise<unknown> =>
  until(what, async () => {
    const { body } = await running.json<{ overall_status: string; issues: readonly string[] }>(
      "/api/v1/recovery/health",
    );
    const told = body.issues.filter((text) => text === unknown || text === gone);
    return statuses.includes(body.overall_status) && (issue === null ? told.length === 0 : told[0] === issue);
  });
const reachWell = (running: RunningService): Promise<unknown> =>
  reach(running, "the card is well", ["healthy", "degraded", "critical"], null);
const children = () => findProcesses("gpu-probe-child").filter(({ command }) => command.includes(bench.dir));
const tools = () =>
  findProcesses(`${bench.dir}/nvidia-smi -`).filter(({ command }) => !command.includes("gpu-probe-child"));

describe("a service with a real card", () => {
  it("is degraded while the tool hangs, critical when the card is lost, and well again by itself; nothing outlives it", async () => {
    bench.play("normal");
    const running = await start("nvidia");
    await reachWell(running);
    expect(children()).toHaveLength(1);
    bench.play("hang");
    await reach(running, "the hang is seen", ["degraded", "critical"], unknown);
    bench.play("lost");
    await reach(running, "the loss is seen", ["critical"], gone);
    bench.play("normal");
    await reachWell(running);
    running.process.kill("SIGTERM");
    await running.ended;
    await until("child and tool have ended", () => children().length + tools().length === 0);
  });

  it("that is killed takes child and tool along", async () => {
    bench.play("normal");
    const running = await start("nvidia");
    await until("the loop runs", () => tools().length > 0);
    running.process.kill("SIGKILL");
    await until("child and tool have ended", () => children().length + tools().length === 0);
  });

  it("that only simulates asks no tool, unless it is told to", async () => {
    bench.play("lost");
    await reachWell(await start("auto"));
    expect(children()).toEqual([]);
    expect(bench.calls()).toEqual([]);
  });
});
