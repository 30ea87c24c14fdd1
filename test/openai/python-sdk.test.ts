/** OpenAI's package for Python against the real service; session.py is the client. */
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pythonOf } from "../../scripts/python-tools.ts";
import { countFrames } from "../harness/tasks.ts";
import { drawPicture, type HeldService, startHeldService } from "./held-service.ts";

type Fact = { readonly fact: string } & Readonly<Record<string, unknown>>;

let service: HeldService;
let facts: readonly Fact[] = [];
const targetPath = (): string => join(service.stateDir, "from-python.mp4");

async function runSession(): Promise<readonly Fact[]> {
  const python = pythonOf("openai");
  if (!existsSync(python)) throw new Error("OpenAI's Python package is not installed: npm run test:openai installs it");
  const picturePath = join(service.stateDir, "picture.png");
  writeFileSync(picturePath, drawPicture());
  const script = new URL("session.py", import.meta.url).pathname;
  const session = spawn(python, ["-B", script, service.url, picturePath, targetPath()], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const code = new Promise<number | null>((resolve) => session.once("exit", resolve));
  const errors = text(session.stderr);
  const told: Fact[] = [];
  for await (const line of createInterface({ input: session.stdout })) {
    const fact = JSON.parse(line) as Fact;
    told.push(fact);
    if (fact.fact === "stand_in") service.letGo();
  }
  if ((await code) !== 0)
    throw new Error(`the session ended with an error after ${JSON.stringify(told)}:\n${await errors}`);
  return told;
}

beforeAll(async () => {
  service = await startHeldService();
  facts = await runSession();
}, 300_000);
afterAll(() => service.end());

const factsOf = (name: string): readonly Fact[] => facts.filter(({ fact }) => fact === name);
const factOf = (name: string): Fact => {
  const [found] = factsOf(name);
  if (found === undefined) throw new Error(`the session told nothing of ${name}`);
  return found;
};

it("shows a stand-in as in progress, never as completed, and then the real video", () => {
  expect(factOf("ordered")).toMatchObject({
    status: expect.stringMatching(/^(queued|in_progress)$/),
    allow: ["frames"],
  });
  const states = factOf("seen")["states"] as readonly (readonly [string, string | null])[];
  expect(states).toContainEqual(["in_progress", "stand_in"]);
  expect(states).not.toContainEqual(["completed", "stand_in"]);
  expect(states.at(-1)).toEqual(["completed", "real"]);
  expect(factOf("stand_in")).toMatchObject({ served_by: "stand_in" });
});

it("is waited for by the package's own loop, and downloaded as a video that an independent decoder plays", () => {
  expect(factOf("polled")).toMatchObject({
    status: "completed",
    model: "TI2V-5B",
    progress: 100,
    seconds: "1",
    error: null,
  });
  expect(factOf("downloaded")).toMatchObject({ type: "video/mp4", served_by: "real" });
  expect(countFrames(targetPath())).toBe(24);
});

it("is listed page by page in either order, and deleted", () => {
  const [first, second] = [factOf("ordered")["id"], factOf("polled")["id"]];
  expect(factOf("listed")).toMatchObject({ ids: [second, first], oldest: [first, second] });
  expect(factsOf("deleted")).toEqual(
    [first, second].map((id) => ({ fact: "deleted", id, deleted: true, object: "video.deleted" })),
  );
  expect(factOf("left")["ids"]).toEqual([]);
  expect(factOf("models")["ids"]).toEqual(["T2V-A14B", "I2V-A14B", "TI2V-5B"]);
});

it("raises refusals with their field and code", () => {
  expect(factsOf("refused").map(({ fact: _fact, ...refusal }) => refusal)).toEqual([
    { of: "size", kind: "UnprocessableEntityError", status: 422, code: "REQUEST_INVALID", param: "size" },
    { of: "gone", kind: "NotFoundError", status: 404, code: "JOB_NOT_FOUND", param: null },
    { of: "remix", kind: "InternalServerError", status: 501, code: "FEATURE_UNSUPPORTED", param: null },
  ]);
});
