import { createCanvas } from "@napi-rs/canvas";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MediaError } from "../../src/core/errors.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

/** Every pixel another, so that there is much to cut off. */
async function pictureOf(type: "png" | "jpeg" | "webp"): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = createCanvas(64, 48);
  const pencil = canvas.getContext("2d");
  for (let at = 0; at < 64 * 48; at += 1) {
    pencil.fillStyle = `rgb(${(at * 7) % 256}, ${(at * 13) % 256}, ${(at * 29) % 256})`;
    pencil.fillRect(at % 64, Math.floor(at / 64), 1, 1);
  }
  const encoded = await (type === "png"
    ? canvas.encode("png")
    : type === "jpeg"
      ? canvas.encode("jpeg")
      : canvas.encode("webp"));
  return new Uint8Array(encoded);
}

let world: ServerWorld;
beforeEach(() => {
  world = createServerWorld(createVirtualClock());
});
afterEach(() => world.close());

const json = (path: string, body: unknown) =>
  world.app.request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const form = (path: string, name: string, picture: Uint8Array<ArrayBuffer>, fields: Record<string, string>) => {
  const body = new FormData();
  for (const [field, value] of Object.entries(fields)) body.set(field, value);
  body.set(name, new File([picture], "fox.png", { type: "image/png" }));
  return world.app.request(path, { method: "POST", body });
};
const compatibleFields = { model_type: "I2V-A14B", prompt: "a fox", resolution: "854x480" };
const base64 = (picture: Uint8Array): string => Buffer.from(picture).toString("base64");

/** By each way in, with the name that the caller gave the picture. */
const ways: readonly (readonly [string, string, (picture: Uint8Array<ArrayBuffer>) => Response | Promise<Response>])[] =
  [
    [
      "the predecessor's form",
      "image",
      (picture) => form("/api/v1/generation/submit", "image", picture, compatibleFields),
    ],
    [
      "the predecessor's other form",
      "image",
      (picture) => form("/api/v1/generate", "image", picture, compatibleFields),
    ],
    [
      "the form as its last picture",
      "end_image",
      (picture) =>
        form("/api/v1/generation/submit", "end_image", picture, { ...compatibleFields, model_type: "T2V-A14B" }),
    ],
    [
      "OpenAI's form",
      "input_reference",
      (picture) => form("/v1/videos", "input_reference", picture, { prompt: "a fox", model: "I2V-A14B" }),
    ],
    [
      "a data URL",
      "input_reference[image_url]",
      (picture) =>
        json("/v1/videos", {
          prompt: "a fox",
          model: "I2V-A14B",
          input_reference: { image_url: `data:image/png;base64,${base64(picture)}` },
        }),
    ],
    [
      "our own jobs",
      "image",
      (picture) => json("/api/v1/jobs", { prompt: "a fox", model: "I2V-A14B", image: base64(picture) }),
    ],
  ];

const jobCount = async (): Promise<number> => (await world.store.jobs.list({ limit: 10 })).jobs.length;

describe.each(ways)("a picture by %s", (_, param, send) => {
  it.each(["png", "jpeg", "webp"] as const)(
    "is taken as a whole %s, and refused when its last tenth is missing, which keeps nothing",
    async (type) => {
      const whole = await pictureOf(type);
      const cut = await send(whole.slice(0, Math.floor(whole.length * 0.9)));
      expect(cut.status).toBe(422);
      expect(await cut.json()).toMatchObject({
        error: {
          code: "REQUEST_INVALID",
          param,
          message: `${param} is cut off, damaged or animated: it could not be decoded whole.`,
        },
      });
      expect(await jobCount()).toBe(0);
      expect(await world.store.jobs.listArtifactNames()).toEqual(new Set());
      expect((await send(whole)).status).toBeLessThan(300);
      expect(await jobCount()).toBe(1);
    },
  );

  it("is not taken while none can be decoded: 503 with a time to come back, and nothing is kept", async () => {
    world.imageProblemOf = () =>
      Promise.reject(new MediaError("IMAGE_UNCHECKED", "Its decoder ended.", { retryable: true }));
    const answer = await send(await pictureOf("png"));
    expect([answer.status, Number(answer.headers.get("retry-after"))]).toEqual([503, 5]);
    expect(await answer.json()).toMatchObject({ error: { code: "IMAGE_UNCHECKED", message: "Its decoder ended." } });
    expect(await jobCount()).toBe(0);
    expect(world.defects).toEqual([]);
  });
});
