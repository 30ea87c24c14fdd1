import { describe, expect, it } from "vitest";
import { checkArrows, findUncruised } from "../../scripts/check-arrows.ts";

const bad = new URL("../fixtures/arrows/", import.meta.url).pathname;
const project = new URL("../../", import.meta.url).pathname;

describe("the arrows", () => {
  it("every rule catches its fixture", async () => {
    const { violations, uncruised } = await checkArrows(bad);
    const found = violations.map((violation) => violation.replace(/ → (?:\.\.\/)+node_modules\/([^/]+)\/.*$/, " → $1"));
    expect(uncruised).toEqual([]);
    expect(found.filter((violation) => !violation.startsWith("nothing-forgotten"))).toEqual([
      "app-arrows: src/app/imports-cli.ts → src/cli/serve.ts",
      "codecs-places: src/gpu/imports-codecs.ts → mediabunny",
      "codecs-run-in-a-child: src/main.ts → mediabunny",
      "config-types-only: src/workers/reads-config.ts → src/config/schema.ts",
      "core-arrows: src/core/imports-recovery.ts → src/recovery/decide.ts",
      "core-packages: src/core/imports-a-package.ts → xstate",
      "jobs-arrows: src/jobs/imports-machines.ts → src/machines/imports-node.ts",
      "known-folders: src/stray/unknown-folder.ts → src/core/words.ts",
      "known-rooms: src/app/attic/unknown-room.ts → src/core/words.ts",
      "machines-arrows: src/machines/imports-an-adapter.ts → src/workers/spawn.ts",
      "main-arrows: src/main.ts → src/app/start.ts",
      "no-cycles: src/core/cycle-one.ts → src/core/cycle-two.ts",
      "no-node-in-the-middle: src/machines/imports-node.ts → fs",
      "no-test-in-source: src/telemetry/imports-test.ts → test/helper.ts",
      "no-tools-in-production: src/telemetry/imports-a-tool.ts → fast-check",
      "no-undeclared-packages: src/telemetry/imports-undeclared.ts → pino",
      "no-unresolved: src/telemetry/imports-what-is-not-there.ts → ./nothing.ts",
      "room-rendering-arrows: src/app/rendering/imports-the-top.ts → src/app/start.ts",
      "room-workers-arrows: src/app/workers/imports-a-room.ts → src/app/rendering/imports-the-top.ts",
      "server-arrows: src/server/imports-machines.ts → src/machines/imports-node.ts",
      "simulator-arrows: src/workers/simulator/imports-store.ts → src/store/rows.ts",
      "simulator-is-a-program: src/workers/imports-the-simulator.ts → src/workers/simulator/main.ts",
      "workers-arrows: src/workers/imports-media.ts → src/media/encode.ts",
      "xstate-places: src/core/imports-a-package.ts → xstate",
      "xstate-places: src/server/imports-xstate.ts → xstate",
    ]);
    expect(found).toContain("nothing-forgotten: src/store/rows.ts → src/store/rows.ts");
  });

  it("a file that was not looked at is named", () => {
    expect(findUncruised(["src/a.ts", "src/b.ts"], new Set(["src/a.ts"]))).toEqual(["src/b.ts"]);
  });

  it("every source file of this project is looked at", async () => {
    const { cruisedCount, uncruised } = await checkArrows(project);
    expect(uncruised).toEqual([]);
    expect(cruisedCount).toBeGreaterThan(40);
  });
});
