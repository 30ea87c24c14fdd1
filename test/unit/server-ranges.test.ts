import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ArtifactRef } from "../../src/core/job.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { readRange } from "../../src/server/artifact-response.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

const content = "0123456789";

describe("readRange", () => {
  it.each([
    ["bytes=0-3", { kind: "part", start: 0, end: 3 }],
    ["bytes=4-", { kind: "part", start: 4, end: 9 }],
    ["bytes=-3", { kind: "part", start: 7, end: 9 }],
    ["bytes=-30", { kind: "part", start: 0, end: 9 }],
    ["bytes=8-99", { kind: "part", start: 8, end: 9 }],
    ["Bytes=0-0", { kind: "part", start: 0, end: 0 }],
    ["bytes=10-", { kind: "unsatisfiable" }],
    ["bytes=-0", { kind: "unsatisfiable" }],
    ["bytes=999999999999999-", { kind: "unsatisfiable" }],
    ["bytes=5-4", { kind: "whole" }],
    ["bytes=0-1,3-4", { kind: "whole" }],
    ["bytes=-", { kind: "whole" }],
    ["bytes=a-b", { kind: "whole" }],
    ["items=0-3", { kind: "whole" }],
    ["bytes=9999999999999999999-", { kind: "whole" }],
    [undefined, { kind: "whole" }],
  ])("reads %s", (header, range) => {
    expect(readRange(header, 10)).toEqual(range);
  });
});

describe("a video", () => {
  let world: ServerWorld;
  let artifact: ArtifactRef;
  let address: string;
  beforeEach(async () => {
    world = createServerWorld(createVirtualClock());
    await world.submitted();
    const finished = await world.finish(content);
    artifact = finished.artifact;
    address = `/api/v1/outputs/${finished.jobId}/video`;
  });
  afterEach(() => world.close());
  const get = (headers: Record<string, string> = {}, path = address) => world.app.request(path, { headers });

  it("is served whole with its hash as tag", async () => {
    const answer = await get();
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      etag: `"${artifact.sha256}"`,
      "accept-ranges": "bytes",
      "cache-control": "no-cache",
      "content-length": "10",
      "content-type": "video/mp4",
      "x-understudy-served-by": "real",
      "x-understudy-simulated": "true",
    });
    expect(await answer.text()).toBe(content);
  });

  it("is served in part", async () => {
    const answer = await get({ range: "bytes=2-5" });
    expect([
      answer.status,
      answer.headers.get("content-range"),
      answer.headers.get("content-length"),
      await answer.text(),
    ]).toEqual([206, "bytes 2-5/10", "4", "2345"]);
  });

  it("is served whole when several parts are asked for", async () => {
    const answer = await get({ range: "bytes=0-1,4-5" });
    expect([answer.status, await answer.text()]).toEqual([200, content]);
  });

  it("answers 416 with its length to a part behind its end", async () => {
    const answer = await get({ range: "bytes=10-" });
    expect([answer.status, answer.headers.get("content-range"), await answer.text()]).toEqual([416, "bytes */10", ""]);
  });

  it("honours If-Range: part for the same content, whole for another or for a date", async () => {
    const same = await get({ range: "bytes=0-0", "if-range": `"${artifact.sha256}"` });
    const other = await get({ range: "bytes=0-0", "if-range": '"other"' });
    const date = await get({ range: "bytes=0-0", "if-range": "Wed, 21 Oct 2015 07:28:00 GMT" });
    expect([same.status, other.status, date.status]).toEqual([206, 200, 200]);
    expect(await other.text()).toBe(content);
  });

  it("answers 304 to the same content, also weakly compared or in a list", async () => {
    for (const tag of [`"${artifact.sha256}"`, `W/"${artifact.sha256}"`, `"a", "${artifact.sha256}"`, "*"]) {
      expect((await get({ "if-none-match": tag, range: "bytes=0-0" })).status).toBe(304);
    }
    expect((await get({ "if-none-match": '"other"' })).status).toBe(200);
  });

  it("answers HEAD with the headers alone", async () => {
    const answer = await world.app.request(address, { method: "HEAD" });
    expect([answer.status, answer.headers.get("content-length"), await answer.text()]).toEqual([200, "10", ""]);
  });

  it("is immutable only under its hash", async () => {
    const answer = await get({}, `/artifacts/${artifact.sha256}`);
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(await answer.text()).toBe(content);
  });

  it("is a 404 when its file is gone", async () => {
    const known = await world.store.jobs.findArtifact(artifact.sha256);
    const files = world.ports.artifacts as ServerWorld["ports"]["artifacts"] & {
      remove: (name: string) => Promise<void>;
    };
    await files.remove(known?.artifact.name ?? "");
    expect((await get()).status).toBe(404);
    expect(world.defects).toEqual([]);
  });
});
