import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { renderSettings } from "../../scripts/generate-docs.ts";
import { type AcceptedConfig, type ConfigTexts, parseConfig } from "../../src/config/parse-config.ts";
import { planReload } from "../../src/config/reload.ts";
import { configJsonSchema, listSettings } from "../../src/config/settings.ts";
import { exampleSettings, showSettings } from "../../src/config/write-settings.ts";

const environment = { HOME: "/home/somebody" };
const key = "0123456789abcdef0123456789abcdef";
const yaml = (text: string): ConfigTexts => ({ file: { path: "understudy.yaml", text } });

function accepted(texts: ConfigTexts = {}): AcceptedConfig {
  const answer = parseConfig({ ...texts, environment: { ...environment, ...texts.environment } });
  if (answer.kind === "refused") throw new Error(answer.message);
  return answer;
}

function problems(texts: ConfigTexts): readonly string[] {
  const answer = parseConfig({ ...texts, environment: { ...environment, ...texts.environment } });
  return answer.kind === "refused" ? answer.problems : [];
}

const committed = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");

describe("a configuration file", () => {
  it("may be YAML with comments, and says the same as JSON", () => {
    const text =
      "# the second card\nport: 9100\nworkers:\n  - id: back # not the front\n    gpu: h100\nstandIn: { after: 5s }\n";
    const json = JSON.stringify(
      { port: 9100, workers: [{ id: "back", gpu: "h100" }], standIn: { after: "5s" } },
      null,
      "\t",
    );
    expect(accepted(yaml(text)).config).toEqual(accepted(yaml(json)).config);
    expect(accepted(yaml(text)).config).toMatchObject({
      port: 9100,
      workers: [{ id: "back", gpu: "h100" }],
      standIn: { afterMs: 5_000 },
    });
  });

  it("that is empty, or nothing but comments, sets nothing", () => {
    expect(accepted(yaml("# nothing\n")).config).toEqual(accepted().config);
  });

  it("is refused with the place and the line of everything that is wrong in it", () => {
    expect(
      problems(yaml("port: 9100\nworkers:\n  - id: a\n    kind: vlc\n  - id: b\n    speed: fast\nlease: 3\n")),
    ).toEqual([
      "Configuration: workers[0].kind must be one of simulator, diffusers, own (from the file understudy.yaml, line 4).",
      "Configuration: workers[1].speed must be a number from 0.01 to 1000 (from the file understudy.yaml, line 6).",
      'Configuration: lease must be a time with its unit, such as "30s" (from the file understudy.yaml, line 7).',
    ]);
  });

  it.each([
    ["a name twice", "port: 1\nport: 2\n", "line 2"],
    ["an open bracket", "workers: [\n", "line 2"],
    ["a tag that would make an object", "port: !!js/function x\n", "line 1"],
    ["two documents", "port: 1\n---\nport: 2\n", "line 2"],
  ])("with %s is neither YAML nor JSON", (_what, text, line) => {
    expect(problems(yaml(text))).toEqual([
      expect.stringMatching(
        new RegExp(`^Configuration: the file understudy.yaml is neither YAML nor JSON \\(${line}: .+\\)\\.$`),
      ),
    ]);
  });

  it("cannot set what every object has", () => {
    expect(problems(yaml("__proto__:\n  port: 9100\n"))).toEqual([
      expect.stringContaining("there is no setting __proto__"),
    ]);
  });
});

describe("a secret", () => {
  const readSecret = (path: string): string => `${path === "/run/secrets/key" ? key : ""}\n`;

  it("may stand in a file that the environment names", () => {
    const { config, sources } = accepted({ environment: { UNDERSTUDY_API_KEY_FILE: "/run/secrets/key" }, readSecret });
    expect([config.apiKey, sources.get("apiKey")]).toEqual([key, "UNDERSTUDY_API_KEY_FILE"]);
  });

  it("that is given twice is refused, without either of them in the sentence", () => {
    const [sentence = ""] = problems({
      environment: { UNDERSTUDY_API_KEY: key, UNDERSTUDY_API_KEY_FILE: "/run/secrets/key" },
      readSecret,
    });
    expect(sentence).toBe(
      "Configuration: apiKey is set by both UNDERSTUDY_API_KEY and UNDERSTUDY_API_KEY_FILE; leave one of them out.",
    );
  });

  it("is checked like one in the environment", () => {
    expect(problems({ environment: { UNDERSTUDY_API_KEY_FILE: "/run/secrets/empty" }, readSecret })).toEqual([
      "Configuration: apiKey must have at least 16 characters (from UNDERSTUDY_API_KEY_FILE).",
    ]);
  });

  it("no other setting is read from a file that the environment names", () => {
    expect(problems({ environment: { UNDERSTUDY_PORT_FILE: "/run/port" }, readSecret })).toEqual([
      "Configuration: the environment variable UNDERSTUDY_PORT_FILE names no setting; docs/configuration.md lists all.",
    ]);
  });

  it("is told to be set, and never shown", () => {
    const shown = showSettings(accepted({ environment: { UNDERSTUDY_API_KEY: key } }), { withSources: true });
    expect(shown).toContain("# apiKey is set from UNDERSTUDY_API_KEY, and not shown");
    expect(shown).not.toContain(key);
  });
});

describe("what is in force", () => {
  it("is shown with who set it, as a file that sets the same", () => {
    const given = accepted({ ...yaml("standIn:\n  after: 5s\n"), flags: { port: "9100" } });
    const shown = showSettings(given, { withSources: true });
    expect(shown).toMatch(/^# from --port\nport: /m);
    expect(shown).toMatch(/^standIn:\n {2}# from the file understudy.yaml\n {2}after: 5s$/m);
    expect(shown.match(/# from/g)).toHaveLength(2);
    expect(accepted(yaml(shown)).config).toEqual(given.config);
    expect(showSettings(given, { withSources: false })).not.toContain("#");
  });
});

describe("the committed files", () => {
  it("the example loads and equals the defaults", () => {
    expect(accepted(yaml(committed("understudy.example.yaml"))).config).toEqual(accepted().config);
  });

  it("the example explains every setting, also those that stand behind a #", () => {
    const text = exampleSettings();
    for (const { path, description, environmentName } of listSettings()) {
      expect(text).toMatch(new RegExp(`^ *(# )?${path.split(".").at(-1)}:`, "m"));
      expect(text).toContain(environmentName);
      expect(description, path).not.toBe("");
    }
  });

  it("the schema takes what the parser takes, and refuses what it refuses", () => {
    const schema = z.fromJSONSchema(JSON.parse(committed("config.schema.json")) as never);
    const sound = [
      {},
      { port: 9100, lease: "45s", disk: { minFree: "3GiB" } },
      { health: { cpu: { warning: "70%", critical: 0.9 } } },
    ];
    const unsound = [
      { prot: 1 },
      { port: "http" },
      { lease: 30 },
      { lease: "30" },
      { workers: [{ id: "a", kind: "vlc" }] },
      { workers: [] },
    ];
    for (const tree of sound)
      expect([schema.safeParse(tree).success, problems(yaml(JSON.stringify(tree)))]).toEqual([true, []]);
    for (const tree of unsound) {
      expect(schema.safeParse(tree).success, JSON.stringify(tree)).toBe(false);
      expect(problems(yaml(JSON.stringify(tree)))).not.toEqual([]);
    }
  });

  it("are what the source says now", () => {
    expect(JSON.parse(committed("config.schema.json"))).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
    expect(committed("understudy.example.yaml").endsWith(exampleSettings())).toBe(true);
    expect(committed("configuration.md")).toBe(renderSettings());
  });
});

describe("a configuration that is read again", () => {
  const running = accepted(yaml("queue: { maxJobs: 5 }\nport: 9100\n"));

  it("takes effect where its settings are live, and names what waits for the next start", () => {
    const reload = planReload(running, accepted(yaml("port: 9200\nlogLevel: info\nstandIn: { after: 7s }\n")));
    expect(reload).toMatchObject({
      kind: "planned",
      applied: ["logLevel", "queue.maxJobs", "standIn.after"],
      waiting: ["port"],
      accepted: {
        config: { port: 9100, logLevel: "info", standIn: { afterMs: 7_000 }, queue: { maxJobCount: 1_000 } },
      },
    });
  });

  it("that says the same changes nothing", () => {
    expect(planReload(running, running)).toMatchObject({
      applied: [],
      waiting: [],
      accepted: { config: running.config },
    });
  });

  it("is refused where its live settings do not go with those that stay", () => {
    const keeping = accepted(yaml("keepWorkers: true\n"));
    expect(planReload(keeping, accepted(yaml("stop: { drain: 10s }\n")))).toMatchObject({
      kind: "refused",
      message: expect.stringContaining("stop.drain must be 0s with keepWorkers"),
    });
  });
});
