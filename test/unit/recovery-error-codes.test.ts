import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type ErrorCode, errorCodes } from "../../src/core/error-codes.ts";
import { faultClasses } from "../../src/recovery/fault-classes.ts";

const source = new URL("../../src/", import.meta.url);
const texts = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && file !== "core/error-codes.ts")
  .map((file) => readFileSync(new URL(file, source), "utf8"));
const codes = Object.keys(errorCodes) as ErrorCode[];
/** Jobs that an older version ended are still in databases: their code is explained, and given to no other. */
const ofOlderVersions: readonly ErrorCode[] = ["HOST_UNSTABLE"];

describe("error codes", () => {
  it.each(codes)("%s has a status, a meaning and a next step, each a sentence", (code) => {
    const { status, meaning, nextStep } = errorCodes[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    for (const sentence of [meaning, nextStep]) expect(sentence).toMatch(/^[A-Z].{8,}\.$/);
    expect(nextStep).not.toBe(meaning);
  });
  it("are all used", () => {
    const isUsed = (code: string): boolean =>
      texts.some((text) => text.includes(`"${code}"`) || new RegExp(`\\b${code}:`).test(text));
    expect(codes.filter((code) => !isUsed(code))).toEqual(ofOlderVersions);
  });
  it("of faults are the service's inability, except that of a request", () => {
    for (const [faultClass, { code, attribution }] of Object.entries(faultClasses))
      expect([faultClass, errorCodes[code].status]).toEqual([faultClass, attribution === "request" ? 422 : 503]);
  });
});
