import { describe, expect, it } from "vitest";
import { describeEvent, modeWords } from "../../src/contract/event-words.ts";
import { imageProblem, imageTypeOf, longestImageBytes } from "../../src/contract/image-content.ts";
import { toRenderRequest } from "../../src/contract/order.ts";
import { compatibleOrderText } from "../../src/contract/order-text.ts";
import { plainName } from "../../src/contract/plain-names.ts";
import { toProblem } from "../../src/contract/problem.ts";
import { toStats } from "../../src/contract/stats-wire.ts";
import { parseSubmission, type SubmitFields, toOrder } from "../../src/contract/submit-request.ts";
import { type ErrorCode, errorCodes } from "../../src/core/error-codes.ts";
import { eventKinds, events } from "../../src/core/events.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { failureTypes, modes, recoveryActions } from "../../src/core/words.ts";
import { classify } from "../../src/recovery/classify.ts";
import { rowOf } from "../harness/sample-rows.ts";

const busy = { reading: "cpu", severity: "critical", message: "CPU use is 100 %.", recommendation: "" } as const;

describe("describeEvent", () => {
  it.each([
    [rowOf("job.submitted", {}, { jobId: "6f1c2a54-8f0e" }), "Job 6f1c2a54 was accepted."],
    [
      rowOf("job.claimed", {}, { jobId: "6f1c2a54-8f0e", workerId: "worker-1" }),
      "Job 6f1c2a54 is being rendered by worker-1.",
    ],
    [rowOf("job.succeeded", { served_by: "stand_in" }, { jobId: "a" }), "Job a ended with its stand-in."],
    [rowOf("job.succeeded", { served_by: "real" }, { jobId: "a" }), "Job a is ready: the real video."],
    [
      rowOf("job.succeeded", { served_by: "real", simulated: true }, { jobId: "a" }),
      "Job a is ready: a simulated video.",
    ],
    [
      rowOf("mode.changed", { from: "ready", to: "mock" }),
      "The service is now showing stand-ins only: no real video right now.",
    ],
    [
      rowOf("incident.opened", { failure_type: "vram_exhaustion" }),
      "Trouble: the card's memory is full. Recovery begins.",
    ],
    [
      rowOf("drill.ended", { drill: "kill", passed: true, told_ms: 100, delivered_ms: 6_900, bystander_ms: 7_200 }),
      "The drill kill was passed: its owner was told after 0.1 s, had the video after 6.9 s, a bystander waited 7.2 s.",
    ],
    [
      rowOf("drill.ended", { drill: "kill", passed: false, told_ms: null, delivered_ms: null, bystander_ms: null }),
      "The drill kill was not passed.",
    ],
    [
      rowOf("rung.ended", { action: "clear_gpu_cache", outcome: "ineffective" }),
      "Clear the card's cache: it did not help.",
    ],
    [
      rowOf("job.retried", { message: "signal SIGKILL" }, { jobId: "a" }),
      "Job a will be tried again: the worker was ended by SIGKILL.",
    ],
    [rowOf("worker.exited", { expected: false }, { workerId: "worker-1" }), "Worker-1 ended; it is started again."],
    [rowOf("health.changed", { status: "critical", issues: [busy] }), "CPU use is 100 %."],
    [rowOf("incident.closed", { status: "resolved" }), "Repaired: the model passed its proof."],
    [
      rowOf("incident.joined", { fault: { ...classify({}), message: "it hung" } }),
      "More trouble of the same incident: it hung.",
    ],
    [rowOf("climb.ended", { outcome: "stoodIn" }), "The steps of this repair are over; a stand-in serves."],
    [rowOf("incident.closed", { status: "abandoned" }), "The incident was closed."],
    [rowOf("incident.closed", { status: "abandoned", blame: "job" }), "The incident was closed."],
    [rowOf("incident.closed", { status: "resolved", blame: "route" }), "Repaired: the model passed its proof."],
    [
      rowOf("incident.closed", { status: "resolved", blame: "job" }),
      "The worker is sound; the job itself is suspected.",
    ],
    [
      rowOf("incident.closed", { status: "resolved", blame: "size" }),
      "The worker is sound; the job is too large for the memory as it is used now.",
    ],
  ])("says %o in words", (event, words) => {
    expect(describeEvent(event)).toBe(words);
  });

  it.each([...recoveryActions, ...failureTypes])("%s has words of its own for people", (name) => {
    expect(plainName(name)).not.toBe(name.replaceAll("_", " "));
  });

  it.each(eventKinds)("has words for %s, or says nothing about it to people", (kind) => {
    const isTold = events[kind].readBy === "people";
    expect(describeEvent(rowOf(kind))).toEqual(isTold ? expect.stringMatching(/^[A-Z].*[.!?]$/) : null);
  });

  it.each(["toString", "constructor", ""])("says nothing about the unknown kind %j", (kind) => {
    const row = { ...rowOf("service.started"), kind: "unread", data: { kind, fields: {} } } as const;
    expect(describeEvent(row)).toBeNull();
  });

  it("has words for every mode", () => {
    expect(Object.keys(modeWords).toSorted()).toEqual([...modes].toSorted());
  });
});

describe("problems", () => {
  it("say the same to each kind of client, for every code", () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      const problem = toProblem({ code, detail: "why", requestId: "r" });
      expect(problem).toMatchObject({
        status: errorCodes[code].status,
        code,
        detail: "why",
        message: "why",
        error: { message: "why", code },
      });
    }
    expect(toProblem({ code: "QUEUE_FULL", detail: "", requestId: "r" }).error.type).toBe("rate_limit_error");
    expect(toProblem({ code: "JOB_STATE_CONFLICT", status: 400, detail: "", requestId: "r" }).status).toBe(400);
  });
});

describe("image content", () => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
  it.each([
    ["\xff\xd8\xff\xe0", "image/jpeg"],
    ["\x89PNG\r\n\x1a\n", "image/png"],
    ["RIFF\0\0\0\0WEBP", "image/webp"],
    ["RIFF\0\0\0\0WAVE", null],
    ["GIF89a", null],
    ["\xff\xd8", null],
  ])("knows %j", (text, type) => {
    expect(imageTypeOf(bytes(text))).toBe(type);
  });

  it("has a limit and a floor", () => {
    const largest = new Uint8Array(longestImageBytes);
    largest.set(bytes("\xff\xd8\xff"));
    expect(imageProblem("image", largest)).toBeNull();
    expect(imageProblem("image", new Uint8Array([...largest, 0]))).toBe("image is larger than 10 MB");
    expect(imageProblem("image", new Uint8Array())).toBe("image is an empty file");
  });
});

describe("submission", () => {
  const catalog = createModelCatalog();
  const parse = (fields: Record<string, unknown>): SubmitFields => {
    const about = { catalog, hasImage: false };
    const parsed = parseSubmission({ model_type: "T2V-A14B", prompt: "a fox", ...fields }, about);
    if (parsed.kind === "invalid") throw new Error(parsed.message);
    return parsed.fields;
  };
  const requestOf = (fields: Record<string, unknown>) => {
    const order = toOrder(parse(fields));
    return toRenderRequest(order, catalog.entryOf(order.model), () => 9);
  };

  it("takes the model's own frames and rate where the request names none", () => {
    expect(requestOf({})).toMatchObject({
      width: 1280,
      height: 720,
      frames: 81,
      framesPerSecond: 16,
      steps: 50,
      seed: 9,
    });
    expect(requestOf({ model_type: "TI2V-5B" })).toMatchObject({
      frames: 121,
      framesPerSecond: 24,
    });
  });

  it("compares parsed fields for an idempotency key, so that neither order nor spelling nor a drawn seed counts", () => {
    const one = compatibleOrderText(parse({ steps: "5", loraStrength: 1 }), []);
    expect(compatibleOrderText(parse({ lora_path: "", steps: 5, seed: "" }), [])).toBe(one);
    expect(compatibleOrderText(parse({ steps: 5, seed: 1 }), [])).not.toBe(one);
    expect(compatibleOrderText(parse({ steps: 5 }), ["image:00"])).not.toBe(one);
  });
});

it("shows an absent card as zeros in the predecessor's statistics", () => {
  const host = {
    cpuRatio: 0.123,
    memoryRatio: 0.5,
    memoryUsedBytes: 1024 ** 3,
    memoryTotalBytes: 2 * 1024 ** 3,
    diskFreeBytes: 0,
  };
  const gpu = {
    uuid: "g",
    name: "n",
    totalBytes: 2 * 1024 ** 2,
    usedBytes: 1024 ** 2,
    utilizationRatio: null,
    temperatureCelsius: null,
    unavailable: {},
  };
  expect(toStats({ atMs: 0, gpuKind: "absent", gpus: [], host })).toMatchObject({
    cpu_percent: 12.3,
    ram_used_gb: 1,
    vram_total_mb: 0,
    vram_percent: 0,
  });
  expect(toStats({ atMs: 0, gpuKind: "nvidia", gpus: [gpu], host })).toMatchObject({
    gpu_percent: 0,
    vram_used_mb: 1,
    vram_total_mb: 2,
    vram_percent: 50,
  });
});
