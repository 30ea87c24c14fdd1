import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Media, StandInOrder } from "../../src/core/ports/media.ts";
import { createMediaClient } from "../../src/media/media-client.ts";
import { clock, isAlive, until } from "../harness/running-service.ts";

let directory: string;
let spawned: number[];
let ended: number[];
let media: Media;
/** What happens to each life of the child as soon as it has begun. */
let atBirth: (pid: number, life: number) => void;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "understudy-child-"));
  spawned = [];
  ended = [];
  atBirth = () => undefined;
  media = createMediaClient({
    clock,
    onSpawn: (pid) => atBirth(pid, spawned.push(pid)),
    onExit: (pid) => ended.push(pid),
  });
});
afterEach(async () => {
  await media.stop();
  rmSync(directory, { recursive: true, force: true });
});

const order = (name = "stand-in"): StandInOrder => ({
  outputPath: join(directory, `${name}.mp4`),
  prompt: "a red fox",
  model: "T2V-A14B",
  width: 160,
  height: 96,
  frames: 9,
  framesPerSecond: 16,
  reason: "a test",
});
const kill = (pid: number): void => {
  process.kill(pid, "SIGKILL");
};

describe("the media child", () => {
  it("is not there before it is needed, and serves one life long", async () => {
    expect(spawned).toEqual([]);
    const { path } = await media.renderStandIn(order());
    expect(await media.probe(path)).toMatchObject({ plays: true, width: 160, height: 96, frames: 9 });
    await media.renderThumbnail({ sourcePath: path, outputPath: join(directory, "thumbnail.jpg"), width: 80 });
    expect(spawned).toHaveLength(1);
  });

  it("killed with -9 in the middle of a call, it costs one retry and the caller sees nothing", async () => {
    atBirth = (pid, life) => life === 1 && kill(pid);
    expect(await media.renderStandIn(order())).toMatchObject({ frames: 9 });
    expect(spawned).toHaveLength(2);
    expect(ended).toEqual([spawned[0]]);
  });

  it("killed again in the retry, the call is rejected as passing, and there is no third life", async () => {
    atBirth = kill;
    await expect(media.probe(order().outputPath)).rejects.toMatchObject({ code: "OUTPUT_INVALID", retryable: true });
    expect(spawned).toHaveLength(2);
  });

  it("killed between two calls, the next call starts another", async () => {
    await media.renderStandIn(order());
    kill(spawned[0] ?? 0);
    await until("its end is heard", () => ended.length === 1);
    expect(await media.probe(order().outputPath)).toMatchObject({ plays: true });
    expect(spawned).toHaveLength(2);
  });

  it("several calls at once are all answered, also when it is killed under them", async () => {
    atBirth = (pid, life) => life === 1 && kill(pid);
    const files = await Promise.all(["a", "b", "c"].map((name) => media.renderStandIn(order(name))));
    expect(files.map(({ frames }) => frames)).toEqual([9, 9, 9]);
    expect(spawned.length).toBe(2);
  });

  it("what it cannot do is an error with its reason, and costs no life", async () => {
    const missing = { sourcePath: join(directory, "missing.mp4"), outputPath: join(directory, "t.jpg"), width: 80 };
    await expect(media.renderThumbnail(missing)).rejects.toMatchObject({
      code: "OUTPUT_INVALID",
      message: expect.stringContaining("ENOENT"),
    });
    expect(await media.probe(missing.sourcePath)).toMatchObject({ plays: false });
    expect(spawned).toHaveLength(1);
  });

  it("ignores a terminal's Ctrl-C", async () => {
    await media.renderStandIn(order());
    process.kill(spawned[0] ?? 0, "SIGINT");
    expect(await media.probe(order().outputPath)).toMatchObject({ plays: true });
    expect(spawned).toHaveLength(1);
  });

  it("leaves no process when it is stopped, and takes no call after it", async () => {
    await media.renderStandIn(order());
    await media.stop();
    expect(isAlive(spawned[0] ?? 0)).toBe(false);
    await expect(media.probe(order().outputPath)).rejects.toMatchObject({ code: "DRAINING" });
  });

  it("a stop in the middle of a call rejects the call and starts no other life", async () => {
    const call = media.renderStandIn({ ...order(), width: 640, height: 480, frames: 49 });
    await until("the child has begun", () => spawned.length === 1);
    await Promise.all([expect(call).rejects.toMatchObject({ name: "MediaError" }), media.stop()]);
    expect(spawned).toHaveLength(1);
  });
});
