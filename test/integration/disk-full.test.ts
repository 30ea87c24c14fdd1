/** A file system that is really full, under a service that works. */
import { expect, it } from "vitest";
import { findMountRefusal, runInNamespace } from "../harness/small-disk.ts";
import type { DiskFullFindings } from "./disk-full-scenario.ts";

it("refuses submissions while the disk is full, loses nothing, and goes on when there is room again", {
  timeout: 120_000,
}, async (context) => {
  const refusal = findMountRefusal();
  // A kernel that allows no mount namespace has no small disk to give; the summary names the test as not run.
  if (refusal !== null) return context.skip(`a small disk cannot be mounted here: ${refusal}`);
  const found = await runInNamespace<DiskFullFindings>(new URL("./disk-full-scenario.ts", import.meta.url).pathname);
  expect(found.refused).toMatchObject({
    status: 503,
    body: { code: "DISK_FULL", detail: expect.stringMatching(/\w.*\.$/) },
  });
  expect(Number(found.refused.retryAfter)).toBeGreaterThan(0);
  expect(new Set(found.submitStatuses)).toEqual(new Set([200, 503]));
  expect(new Set(found.readStatuses)).toEqual(new Set([200]));
  expect(found.committed).toEqual(found.accepted);
  expect(found.framesOfFirst).toBe(49);
  expect(found.isBallastReleased).toBe(true);
  // Neither the worker nor the job is blamed.
  expect(found.codes).toEqual(["DISK_FULL"]);
  expect(found.claimedAfterMs).toBeLessThan(1_000);
  expect([found.integrity, found.exit, found.leftBehind]).toEqual(["ok", 0, 0]);
});
