import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createModelOperations, type ModelNeeds } from "../../../src/app/models/model-operations.ts";
import { suggestModel } from "../../../src/app/models/suggest-model.ts";
import type { DownloadView } from "../../../src/contract/model-views.ts";
import { ModelError } from "../../../src/core/errors.ts";
import type {
  ModelCache,
  ModelStatus,
  PullEndListener,
  PullOutcome,
  PullProgress,
} from "../../../src/core/ports/model-cache.ts";
import { gibibyte, minuteMs, secondMs } from "../../../src/core/units.ts";
import type { ServingMachine } from "../../../src/jobs/admission.ts";
import { type AppWorld, createAppWorld, settled } from "../app-world.ts";

let world: AppWorld;
beforeEach(async () => {
  world = await createAppWorld({}, "workers: [{ id: worker-0, kind: diffusers }]\n");
});
afterEach(() => world.close());

const progress: PullProgress = {
  phase: "fetching",
  doneBytes: 30,
  totalBytes: 100,
  bytesPerSecond: 5,
  etaMs: 14_000,
  doneFileCount: 1,
  fileCount: 4,
  trouble: null,
};

/** A hub that takes a minute for a pull. */
function createHub(state: ModelStatus["state"], ending: () => Promise<PullOutcome>) {
  const listeners = new Set<(name: string, progress: PullProgress) => void>();
  const ended = new Set<PullEndListener>();
  const status: ModelStatus = {
    id: "TI2V-5B",
    source: "org/name",
    revision: "main",
    state,
    commit: null,
    presentBytes: 30,
    totalBytes: 100,
    path: state === "complete" ? "/models/TI2V-5B" : null,
    progress: null,
    error: state === "failed" ? { code: "NETWORK_UNREACHABLE", message: "the hub did not answer" } : null,
  };
  const asked: string[] = [];
  const pull = async (): Promise<PullOutcome> => {
    asked.push("pull");
    await world.clock.sleep(minuteMs);
    return ending();
  };
  const cache: ModelCache = {
    status: async () => [status],
    statusOf: async (id) => ({ ...status, id }),
    canPull: () => true,
    progressOf: () => null,
    onProgress: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onRetry: () => () => undefined,
    onEnded: (listener) => {
      ended.add(listener);
      return () => ended.delete(listener);
    },
    pull,
    pause: async () => state === "pulling",
    resume: async () => {
      asked.push("resume");
      throw new ModelError("NETWORK_UNREACHABLE", "the hub did not answer");
    },
    cancel: async () => void asked.push("cancel"),
    verify: async (_, options) => ({
      isKnown: true,
      commit: "c",
      fileCount: 4,
      hashedFileCount: options?.isRehash === true ? 4 : 0,
      problems: options?.isRehash === true ? [{ path: "a.safetensors", kind: "corrupt" }] : [],
    }),
    askHub: async () => undefined,
    localPath: async () => status.path,
    remove: async () => undefined,
    close: async () => undefined,
  };
  return { cache, asked, listeners, ended };
}

const complete = async (): Promise<PullOutcome> => ({
  kind: "complete",
  commit: "c",
  snapshotPath: "/models",
  fetchedFileCount: 4,
});

const machineOf = (gibibytes: number, hostGibibytes = 512): ServingMachine => ({
  machine: {
    device: { kind: "card", uuid: "GPU-0", name: "a card", totalBytes: gibibytes * gibibyte, isSimulated: false },
    hostBytes: hostGibibytes * gibibyte,
  },
  profiles: ["full", "model-offload", "tiling", "group-offload"],
});

function boardOf(
  state: ModelStatus["state"],
  change: { ending?: () => Promise<PullOutcome>; largest?: ServingMachine } = {},
) {
  const hub = createHub(state, change.ending ?? complete);
  const needs: ModelNeeds = { ...world, models: { cache: hub.cache, place: () => undefined } };
  const facts = { largest: () => change.largest ?? null, loadedProfileOf: () => null };
  return { ...hub, board: createModelOperations(needs, facts) };
}

const download = (
  board: ReturnType<typeof createModelOperations>,
  change: { isForced?: boolean; isAnyway?: boolean; waitMs?: number } = {},
) =>
  settled(
    world,
    board.download({ model: "TI2V-5B", isForced: false, isAnyway: false, waitMs: 10 * minuteMs, ...change }),
  );

describe("a download", () => {
  it("of what is here already fetches nothing", async () => {
    const { board, asked } = boardOf("complete");
    expect(await download(board)).toMatchObject({ kind: "alreadyAvailable" });
    expect(asked).toEqual([]);
  });

  it("that is forced reads every file again, and fetches when one is broken", async () => {
    const { board, asked } = boardOf("complete");
    expect(await download(board, { isForced: true })).toMatchObject({ kind: "completed" });
    expect(asked).toEqual(["pull"]);
  });

  it("that takes longer than its caller waits goes on, and the caller is told so", async () => {
    const { board } = boardOf("absent");
    const beganAtMs = world.clock.nowMs();
    expect(await download(board, { waitMs: 5 * secondMs })).toMatchObject({ kind: "started" });
    expect(world.clock.nowMs() - beganAtMs).toBe(5 * secondMs);
  });

  it.each<[string, () => Promise<PullOutcome>, object]>([
    ["that succeeds", complete, { kind: "completed" }],
    [
      "that is paused meanwhile",
      async () => ({ kind: "paused" }),
      { kind: "failed", message: expect.stringContaining("paused") },
    ],
    [
      "that the hub refuses",
      () => Promise.reject(new ModelError("NETWORK_UNREACHABLE", "the hub did not answer")),
      { kind: "failed", message: "the hub did not answer" },
    ],
  ])("%s says how it ended", async (_, ending, answer) => {
    const { board } = boardOf("absent", { ending });
    expect(await download(board)).toMatchObject(answer);
    expect(world.clock.pendingCount).toBe(0);
  });

  it("of a model that the largest card does not carry is refused, unless it is wanted anyway", async () => {
    const { board, asked } = boardOf("absent", { largest: machineOf(2, 4) });
    await expect(download(board)).rejects.toMatchObject({ code: "MODEL_DOES_NOT_FIT" });
    expect(asked).toEqual([]);
    expect(await download(board, { isAnyway: true })).toMatchObject({ kind: "completed" });
  });

  it("of a model that nobody knows is absent", async () => {
    const { board } = boardOf("absent");
    const unknown = { model: "nobody", isForced: false, isAnyway: false, waitMs: 1 };
    expect(await board.download(unknown)).toBe("absent");
    expect(await board.manage("nobody", "pause")).toBe("absent");
    expect(await board.verify("nobody", true)).toBe("absent");
    expect(await board.find("nobody")).toBeNull();
  });
});

describe("managing a download", () => {
  it.each([
    ["pulling", "pause", true, []],
    ["absent", "pause", false, []],
    ["incomplete", "resume", true, ["resume"]],
    ["complete", "resume", false, []],
    ["absent", "cancel", false, []],
    ["paused", "cancel", true, ["cancel"]],
  ] as const)("a model that is %s: %s is %s", async (state, action, done, calls) => {
    const { board, asked } = boardOf(state);
    expect([await board.manage("TI2V-5B", action), asked]).toEqual([done, calls]);
  });
});

describe("the list of models", () => {
  it("has every known one, with the download that is under way or stopped", async () => {
    const { board } = boardOf("failed");
    const list = await board.list();
    expect(list.map(({ id }) => id)).toEqual(world.catalog.ids);
    expect(list[0]).toMatchObject({
      isAvailable: false,
      isSimulated: false,
      error: "the hub did not answer",
      download: { state: "failed", doneBytes: 30, totalBytes: 100, trouble: "the hub did not answer" },
      fit: { word: "unknown" },
    });
    expect(await board.downloads()).toHaveLength(world.catalog.ids.length);
  });

  it("says of each whether the largest card carries it", async () => {
    const { board } = boardOf("complete", { largest: machineOf(80) });
    expect(await board.find("TI2V-5B")).toMatchObject({ fit: { word: "fits", profile: expect.any(String) } });
    const small = boardOf("complete", { largest: machineOf(2, 4) });
    expect(await small.board.find("TI2V-5B")).toMatchObject({ fit: { word: "too_large", profile: null } });
  });

  it("a simulated model is there without a file, and no file of it is wrong", async () => {
    const simulated = await createAppWorld();
    const board = createModelOperations(simulated, { largest: () => null, loadedProfileOf: () => "tiling" });
    expect(await board.find("T2V-A14B")).toMatchObject({ isSimulated: true, isAvailable: true, isLoaded: true });
    expect(await board.verify("T2V-A14B", true)).toMatchObject({ fileCount: 0, problems: [] });
    expect(await board.manage("T2V-A14B", "pause")).toBe(false);
    expect(await download(board)).toMatchObject({ kind: "alreadyAvailable" });
    await simulated.close();
  });
});

it("how far a download is, and how it ended, is told to those who listen", () => {
  const { board, listeners, ended } = boardOf("pulling");
  const heard: DownloadView[] = [];
  board.onDownload((view) => heard.push(view));
  for (const listener of listeners) listener("TI2V-5B", progress);
  for (const listener of listeners) listener("TI2V-5B", { ...progress, totalBytes: 0 });
  const failed = { kind: "failed", code: "DISK_FULL", message: "no room" } as const;
  for (const listener of ended) listener("TI2V-5B", failed, progress);
  for (const listener of ended) listener("TI2V-5B", { kind: "complete" }, null);
  expect(heard.map(({ state, totalBytes, trouble }) => [state, totalBytes, trouble])).toEqual([
    ["downloading", 100, null],
    ["downloading", null, null],
    ["failed", 100, "no room"],
    ["completed", null, null],
  ]);
  expect(heard[2]).toMatchObject({ bytesPerSecond: 0, etaMs: null, doneBytes: 30 });
});

it.each([
  ["nothing is known before a worker has told", null, null],
  [
    "a processor has no card",
    { kind: "processor", uuid: "CPU-0" } as const,
    { card: null, cardBytes: null, hostBytes: gibibyte },
  ],
])("the hardware: %s", (_, device, shown) => {
  const largest = device === null ? undefined : { machine: { device, hostBytes: gibibyte }, profiles: [] };
  expect(boardOf("complete", largest === undefined ? {} : { largest }).board.hardware()).toEqual(shown);
});

describe("a suggestion", () => {
  const wish = { model: "T2V-A14B", width: 1280, height: 720, maxWaitMs: null } as const;

  it("is the wish itself while no worker has told what its card is, and says so", () => {
    expect(suggestModel(world, null, wish)).toMatchObject({ isRequested: true, profile: null });
  });

  it("is the wish where it fits", () => {
    expect(suggestModel(world, machineOf(80), wish)).toMatchObject({
      isRequested: true,
      model: "T2V-A14B",
      width: 1280,
    });
  });

  it("is what comes nearest where it does not", () => {
    const suggestion = suggestModel(world, machineOf(16, 40), wish);
    expect(suggestion).toMatchObject({ isRequested: false, profile: expect.any(String) });
    expect(suggestion.reason).toContain("fits");
  });

  it("passes over what takes longer than the wish allows, by what renders taught", async () => {
    const place = { deviceUuid: "GPU-0", profile: "model-offload" } as const;
    const clip = { width: 1280, height: 720, frames: 81, steps: 40 };
    for (let count = 0; count < 3; count += 1)
      await world.clips.note(place, world.catalog.entryOf("T2V-A14B"), clip, 60 * minuteMs);
    const hurried = suggestModel(world, machineOf(80), { ...wish, maxWaitMs: minuteMs });
    expect(hurried.waitMs === null || hurried.waitMs <= minuteMs).toBe(true);
  });

  it("is none on a machine that carries nothing", () => {
    expect(() => suggestModel(world, machineOf(1, 1), wish)).toThrow(
      expect.objectContaining({ code: "MODEL_DOES_NOT_FIT" }),
    );
  });
});
