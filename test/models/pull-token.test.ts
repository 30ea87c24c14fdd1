import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HubClient } from "../../src/models/hub-client.ts";
import { ModelWorld, repository } from "./model-world.ts";

const token = "hf_abcdefghijklmnopqrstuvwxyz";
let world: ModelWorld;
beforeEach(async () => {
  world = await ModelWorld.start({ token });
});
afterEach(() => world.stop());

const thrownBy = (pull: Promise<unknown>): Promise<unknown> =>
  pull.then(
    () => null,
    (thrown: unknown) => thrown,
  );

describe("the token", () => {
  it("opens a private model, and goes to the hub alone, not to the store behind it", async () => {
    expect(await world.openCache({ token }).pull(repository)).toMatchObject({ kind: "complete" });
    expect(new Set(world.hub.authorizations)).toEqual(new Set([`Bearer ${token}`]));
    expect(new Set(world.hub.storeAuthorizations)).toEqual(new Set([null]));
  });

  it("is asked for when the model is private", async () => {
    expect(await thrownBy(world.cache.pull(repository))).toMatchObject({
      code: "MODEL_NOT_FOUND",
      message: expect.stringContaining("set HF_TOKEN"),
    });
  });

  it("that the hub refuses is named as the cause, and is in no error", async () => {
    const wrong = "hf_wrongwrongwrong";
    const thrown = await thrownBy(world.openCache({ token: wrong }).pull(repository));
    expect(thrown).toMatchObject({
      code: "MODEL_ACCESS_DENIED",
      message: expect.stringContaining("refuses the token in HF_TOKEN"),
    });
    expect(inspect(thrown, { depth: 10 })).not.toContain(wrong);
  });

  it("with characters that no token has is refused without being quoted", () => {
    const open = (): HubClient =>
      new HubClient({ endpoint: "http://127.0.0.1:9", token: "hf_secret\nx", stallMs: 1 }, world.clock);
    expect(open).toThrow(/The token in HF_TOKEN holds characters/);
    expect(open).not.toThrow(/hf_secret/);
  });

  it("is written to no file, nor is a signed address", async () => {
    await world.openCache({ token }).pull(repository);
    const texts = readdirSync(world.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
    expect(texts.filter((text) => text.includes(token) || text.includes("signature=secret"))).toEqual([]);
    expect(texts.length).toBeGreaterThan(5);
  });

  it.each(["ftp://hub", "not an address", "http://user:secret@hub"])("no hub is asked at %s", (endpoint) => {
    expect(() => new HubClient({ endpoint, token: null, stallMs: 1 }, world.clock)).toThrow(/HF_ENDPOINT must be/);
  });
});
