import { describe, expect, expectTypeOf, it } from "vitest";
import { fromWire, toWire } from "../../src/contract/renaming.ts";

describe("names of fields", () => {
  it("are snake_case on the wire and camelCase in memory, at every depth", () => {
    const memory = { jobId: "a", startedAtMs: 1, parts: [{ isWhole: true, bytes: null }] };
    const wire = { job_id: "a", started_at_ms: 1, parts: [{ is_whole: true, bytes: null }] };
    expect(toWire(memory)).toEqual(wire);
    expect(fromWire(wire)).toEqual(memory);
    expectTypeOf(toWire(memory)).toEqualTypeOf<{
      job_id: string;
      started_at_ms: number;
      parts: { is_whole: boolean; bytes: null }[];
    }>();
  });

  it("are left out where they are undefined", () => {
    expect(Object.keys(toWire({ jobId: undefined, workerId: null }))).toEqual(["worker_id"]);
  });

  it("are not names of things, which stay as they are, and values are not names", () => {
    const models = { "T2V-A14B": { isLoaded: true }, "GPU-4f2a": {}, UNDERSTUDY_PORT: "someWord" };
    expect(toWire(models)).toEqual({ "T2V-A14B": { is_loaded: true }, "GPU-4f2a": {}, UNDERSTUDY_PORT: "someWord" });
    expect(fromWire({ "x_y-z": "a_b" })).toEqual({ "x_y-z": "a_b" });
  });
});
