/** Whether a model fits, and how long a clip takes, as the running service decides and says it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { rowsSince } from "../harness/rows.ts";
import {
  endService,
  makeStateDir,
  type RunningService,
  smallJob,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

let service: RunningService | null = null;
let remove = (): void => undefined;
afterEach(async () => {
  if (service !== null) await endService(service);
  service = null;
  remove();
});

/** @param models of a registry file */
async function start(args: readonly string[], models: object = {}): Promise<RunningService> {
  const { path, remove: removeDirectory } = makeStateDir();
  remove = removeDirectory;
  const registry = join(path, "registry.json");
  writeFileSync(registry, JSON.stringify({ models }));
  service = await startService({
    stateDir: path,
    args,
    env: { UNDERSTUDY_SIM_SPEED: "100", UNDERSTUDY_MODELS_REGISTRY: registry },
  });
  return service;
}

interface Submitted {
  readonly task_id: string;
  readonly detail?: string;
  readonly estimated_time_minutes?: number;
  readonly estimate?: {
    readonly load_profile: string;
    readonly source: string;
    readonly basis: string;
    readonly seconds?: number;
  };
}
const submit = (running: RunningService, fields: object) =>
  running.json<Submitted>("/api/v1/generation/submit", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...smallJob, ...fields }),
  });

describe("a card that is smaller than the preferred memory mode", { timeout: 90_000 }, () => {
  it("is loaded at once in the mode that the table names, without one failed try", async () => {
    const running = await start(["--sim-gpu", "rtx4090"]);
    await isReady(running);
    const rows = rowsSince(running.stateDir, 0);
    expect(rows.filter(({ kind }) => kind === "incident.opened")).toEqual([]);
    const { status, body } = await submit(running, { resolution: "854x480", num_frames: 81 });
    expect([status, body.estimate?.load_profile]).toEqual([200, "group-offload"]);
  });

  it("refuses what fits in no memory mode, and names what does", async () => {
    const running = await start(["--sim-gpu", "rtx4090"]);
    await isReady(running);
    const { status, body } = await submit(running, { resolution: "1920x1080", num_frames: 81, allow: [] });
    expect(status).toBe(422);
    expect(body.detail).toMatch(/1920x1080 with 81 frames needs at least .* would fit, in memory mode [a-z0-9-]+\.$/);
  });
});

describe("a model that is described and that no worker is to render", { timeout: 90_000 }, () => {
  it("is refused at every door with what is offered, and is not told of as one that can be had", async () => {
    const spare = {
      repository: "studio/spare",
      pipelineClass: "WanPipeline",
      sizes: { step: 16, cell: 16 },
      defaults: { frames: 81, steps: 40, framesPerSecond: 16 },
      weights: "9GB",
      render: { guidanceScale: 4 },
      profiles: { "model-offload": { base: "4GB", perToken: "1KiB" } },
    };
    const running = await start([], { spare });
    await isReady(running);
    const prompt = "a red fox";
    const orders: readonly (readonly [string, object])[] = [
      ["/api/v1/generation/submit", { model_type: "spare", prompt }],
      ["/api/v1/jobs", { model: "spare", prompt }],
      ["/v1/videos", { model: "spare", prompt }],
    ];
    const refused = await Promise.all(
      orders.map(async ([path, body]) => {
        const answer = await running.json(path, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        return [answer.status, JSON.stringify(answer.body)];
      }),
    );
    expect(refused).toEqual(orders.map(() => [422, expect.stringMatching(/T2V-A14B.*I2V-A14B.*TI2V-5B/)]));
    const openAi = await running.json<{ data: readonly { id: string }[] }>("/v1/models");
    const own = await running.json<{ models: object }>("/api/v1/models/status");
    const offered = ["T2V-A14B", "I2V-A14B", "TI2V-5B"];
    expect([openAi.body.data.map(({ id }) => id), Object.keys(own.body.models)]).toEqual([offered, offered]);
    const spareNow = await running.json<{ is_available: boolean; error_message: string }>(
      "/api/v1/models/status/spare",
    );
    expect(spareNow.body).toMatchObject({ is_available: false, error_message: expect.stringContaining("No worker") });
  });
});

describe("how long a clip takes", { timeout: 90_000 }, () => {
  it("is unknown before the first, then what this machine took", async () => {
    const running = await start([]);
    await isReady(running);
    const first = (await submit(running, {})).body;
    expect(first.estimate).toMatchObject({
      load_profile: "model-offload",
      source: "unknown",
      basis: expect.stringContaining("no clip of this size"),
    });
    expect(first).not.toHaveProperty("estimated_time_minutes");
    await delivered(running, first.task_id);
    const second = (await until("the clip counts", async () => {
      const { body } = await submit(running, { steps: 6 });
      return body.estimate?.source === "history" && body;
    })) as Submitted;
    expect(second).toMatchObject({
      estimated_time_minutes: expect.any(Number),
      estimate: { basis: expect.stringMatching(/^\d+ clips? of this size on this machine$/) },
    });
  });
});

describe("a main model that no memory mode carries", { timeout: 90_000 }, () => {
  const giant = {
    repository: "studio/giant",
    pipelineClass: "WanPipeline",
    sizes: { step: 16, cell: 16 },
    defaults: { frames: 81, steps: 40, framesPerSecond: 16 },
    weights: "900GB",
    render: { guidanceScale: 4 },
    profiles: { full: { base: "900GB", perToken: "1KiB" }, "model-offload": { base: "400GB", perToken: "1KiB" } },
  };

  it("is not loaded: the incident says why, and which model fits", async () => {
    const running = await start([], { "T2V-A14B": giant });
    const opened = await until("an incident", () =>
      rowsSince(running.stateDir, 0).find(({ kind }) => kind === "incident.opened"),
    );
    expect(JSON.stringify(opened)).toMatch(
      /T2V-A14B fits .* in no memory mode.*TI2V-5B does, in memory mode model-offload/,
    );
    expect(JSON.stringify(opened)).toContain("WORKER_CONFIGURATION");
  });
});
