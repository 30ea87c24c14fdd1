import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import { createModelCatalog } from "../../src/core/model-catalog.ts";
import { gibibyte } from "../../src/core/units.ts";
import { emptyEnvelopes } from "../../src/recovery/envelopes.ts";
import { placeModel } from "../../src/recovery/placement.ts";
import { diffusersProfiles } from "../../src/workers/diffusers-command.ts";

const { entries, entryOf } = createModelCatalog();
const page = readFileSync(new URL("../../docs/wan.md", import.meta.url), "utf8");
const scripts = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  scripts: Record<string, string>;
};
const sessions = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = ""]) => text.trim().split("\n"));

describe("docs/wan.md", () => {
  it("tells commands and settings that there are", async () => {
    expect(sessions).toHaveLength(2);
    for (const line of sessions.flat()) {
      const [, typed] = /^npm (?:run understudy|start) -- (.+)$/.exec(line) ?? [];
      const [, script] = /^npm run ([\w:]+)$/.exec(line) ?? [];
      const [, variables] = /^export (.+)$/.exec(line) ?? [];
      if (typed !== undefined)
        expect([line, (await parseArguments(typed.split(" "))).command]).not.toEqual([line, "refused"]);
      else if (script !== undefined) expect(Object.keys(scripts.scripts)).toContain(script);
      else if (variables !== undefined) {
        const environment = Object.fromEntries([
          ["HOME", "/h"],
          ...variables.split(" ").map((pair) => pair.split("=")),
        ]);
        expect(parseConfig({ environment, flags: {} })).toMatchObject({ kind: "accepted" });
      } else expect(line).toBe("npm ci");
    }
  });

  it("has the times that the registry has, and no others", () => {
    const header =
      /^\| model \| clip \|(.+)\|$/m
        .exec(page)?.[1]
        ?.split("|")
        .map((cell) => cell.trim()) ?? [];
    const told = [...page.matchAll(/^\| (\S+) \| (\d+)x(\d+), (\d+) frames, (\d+) steps \|(.+)\|$/gm)].flatMap(
      ([, model = "", width, height, frames, steps, cells = ""]) =>
        cells.split("|").flatMap((cell, column) => {
          const seconds = Number(cell.trim());
          return cell.trim() === ""
            ? []
            : [`${model} ${header[column]} ${width}x${height} ${frames} ${steps} ${seconds}`];
        }),
    );
    const known = entries.flatMap(({ id, measurements }) =>
      measurements.map(
        ({ card, width, height, frames, steps, tookMs }) =>
          `${id} ${card} ${width}x${height} ${frames} ${steps} ${tookMs / 1_000}`,
      ),
    );
    expect(told.toSorted()).toEqual(known.toSorted());
  });

  it("says of cards, memory and disk what the table says", () => {
    const on = (gib: number, model: string) => {
      const device = {
        kind: "card",
        uuid: "x",
        name: "a card",
        totalBytes: gib * gibibyte,
        isSimulated: false,
      } as const;
      const { clips } = placeModel(
        { device, hostBytes: 256 * gibibyte },
        entryOf(model),
        diffusersProfiles.card.slice(1),
        emptyEnvelopes,
      );
      return clips.slice(0, 2).map(({ profile }) => profile);
    };
    expect(on(24, "TI2V-5B")[0]).toBe("model-offload");
    expect(on(79.6, "T2V-A14B")[0]).toBe("model-offload");
    expect(on(24, "T2V-A14B")).toEqual([null, "group-offload"]);
    const inGib = (bytes: number): number => Math.ceil(bytes / gibibyte);
    expect(page).toContain(
      `about ${inGib(entryOf("TI2V-5B").weightBytes)} GiB (estimated) | about ${inGib(entryOf("T2V-A14B").weightBytes)} GiB each (estimated)`,
    );
    expect(page).toContain(`about ${inGib(entryOf("TI2V-5B").weightBytes) + 1} GiB for the weights`);
    expect(page).toContain(`about ${inGib(entryOf("T2V-A14B").weightBytes) + 1} GiB for the weights`);
  });
});
