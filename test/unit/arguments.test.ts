import { describe, expect, it } from "vitest";
import { helpText, parseArguments } from "../../src/cli/arguments.ts";
import { parseConfig } from "../../src/config/parse-config.ts";

describe("the command line", () => {
  it("without a command serves", () => {
    expect(parseArguments([])).toEqual({ command: "serve", configPath: null, flags: {} });
  });

  it("turns flags into settings", () => {
    const typed = [
      "serve",
      "--host",
      "127.0.0.2",
      "-p",
      "9100",
      "--state-dir=./state",
      "--sim-gpu",
      "h100",
      "--sim-speed",
      "20",
      "--keep-workers",
      "-c",
      "a.json",
    ];
    expect(parseArguments(typed)).toEqual({
      command: "serve",
      configPath: "a.json",
      flags: {
        host: "127.0.0.2",
        port: "9100",
        stateDir: "./state",
        "sim.gpu": "h100",
        "sim.speed": "20",
        keepWorkers: "true",
      },
    });
  });

  it("its flags are settings that exist and are read", () => {
    const typed = parseArguments([
      "--host",
      "127.0.0.2",
      "--port",
      "9100",
      "--state-dir",
      "/s",
      "--sim-gpu",
      "h100",
      "--sim-speed",
      "20",
      "--keep-workers",
    ]);
    const answer = parseConfig({ flags: typed.command === "serve" ? typed.flags : {} });
    expect(answer).toMatchObject({
      kind: "accepted",
      config: {
        host: "127.0.0.2",
        port: 9100,
        stateDir: "/s",
        isKeepingWorkers: true,
        workers: [{ gpu: "h100", speed: 20 }],
      },
    });
  });

  it.each([
    [["pause"], { command: "pause", isReleasing: false }],
    [["pause", "--release-gpu"], { command: "pause", isReleasing: true }],
    [["resume"], { command: "resume" }],
    [["drill", "list"], { command: "drill", drill: null }],
    [["drill", "run", "kill"], { command: "drill", drill: "kill" }],
    [["models", "list"], { command: "models", verb: "list", model: "", revision: null, isAnyway: false }],
    [
      ["models", "pull", "T2V-A14B"],
      { command: "models", verb: "pull", model: "T2V-A14B", revision: null, isAnyway: false },
    ],
    [
      ["models", "verify", "a/b", "--revision", "v1"],
      { command: "models", verb: "verify", model: "a/b", revision: "v1", isAnyway: false },
    ],
    [
      ["models", "pull", "a/b", "--anyway"],
      { command: "models", verb: "pull", model: "a/b", revision: null, isAnyway: true },
    ],
    [["doctor"], { command: "doctor", isJson: false }],
    [["doctor", "--json"], { command: "doctor", isJson: true }],
    [["config", "check"], { command: "config", verb: "check", withSources: false }],
    [["config", "show", "--sources"], { command: "config", verb: "show", withSources: true }],
  ])("%j is understood", (typed, wanted) => {
    expect(parseArguments(typed)).toEqual({ ...wanted, configPath: null, flags: {} });
  });

  it.each([
    [["drill"], "drill needs list, or run and the name of a drill"],
    [["drill", "kill"], "drill needs list, or run and the name of a drill"],
    [["drill", "run"], "drill needs list, or run and the name of a drill"],
    [["drill", "list", "kill"], "drill takes no kill"],
    [["resume", "--release-gpu"], "resume does not take --release-gpu"],
    [["pause", "now"], "pause takes no now"],
    [["models", "verify", "a", "--anyway"], "models verify does not take --anyway"],
    [["pause", "--json"], "pause does not take --json"],
  ])("%j is refused with what is wrong", (typed, message) => {
    expect(parseArguments(typed)).toMatchObject({ command: "refused", message: expect.stringContaining(message) });
  });

  it("a backup needs a path", () => {
    expect(parseArguments(["backup", "copy.db", "--state-dir", "/s"])).toEqual({
      command: "backup",
      targetPath: "copy.db",
      configPath: null,
      flags: { stateDir: "/s" },
    });
    expect(parseArguments(["backup"])).toEqual({
      command: "refused",
      message: "understudy: backup needs the path of the copy; --help lists what there is.",
    });
  });

  it("a replay needs an incident", () => {
    expect(parseArguments(["replay", "inc-1-1", "--state-dir", "/s"])).toEqual({
      command: "replay",
      incidentId: "inc-1-1",
      configPath: null,
      flags: { stateDir: "/s" },
    });
    expect(parseArguments(["replay"])).toMatchObject({
      message: expect.stringContaining("replay needs the id of an incident"),
    });
  });

  it("turns a submission into what the service is asked", () => {
    const typed = parseArguments([
      ..."jobs submit".split(" "),
      "a red fox",
      ..."--size 854x480 --fps 16 --steps 20 --allow frames,resolution --deadline 2h --label a --label b,c".split(" "),
      ..."--lora fox.safetensors --lora d:/a.safetensors:0.8 --webhook https://example.org/x --key k-1 --wait --json --state-dir /s".split(
        " ",
      ),
    ]);
    expect(typed).toEqual({
      command: "jobs",
      configPath: null,
      flags: { stateDir: "/s" },
      wanted: {
        verb: "submit",
        operand: "a red fox",
        fields: {
          prompt: "a red fox",
          size: "854x480",
          frames_per_second: 16,
          steps: 20,
          allow: ["frames", "resolution"],
          labels: ["a", "b", "c"],
          loras: [{ name: "fox.safetensors" }, { name: "d:/a.safetensors", strength: 0.8 }],
          webhook: { url: "https://example.org/x" },
          deadline_ms: 7_200_000,
        },
        query: {},
        imagePath: null,
        idempotencyKey: "k-1",
        isWaiting: true,
        isJson: true,
      },
    });
  });

  it("narrows a list", () => {
    const typed = parseArguments(
      "jobs list --state failed,cancelled --label a --since 2026-11-23T17:40:00Z --limit 5".split(" "),
    );
    const query = { state: "failed,cancelled", label: "a", since: "2026-11-23T17:40:00Z", limit: "5" };
    expect(typed).toMatchObject({ command: "jobs", wanted: { verb: "list", operand: "", fields: {}, query } });
  });

  it.each([
    [["jobs"], "jobs needs list, submit and a prompt"],
    [["jobs", "submit"], "jobs needs"],
    [["jobs", "list", "--steps", "3"], "jobs list does not take --steps"],
    [["jobs", "submit", "x", "--deadline", "soon"], "--deadline needs a time with its unit"],
    [["status", "--wait"], "status does not take --wait"],
  ])("refuses %j", (typed, sentence) => {
    expect(parseArguments(typed)).toMatchObject({ command: "refused", message: expect.stringContaining(sentence) });
  });

  it("status knows where to look", () => {
    expect(parseArguments(["status", "--state-dir", "/s"])).toMatchObject({
      command: "status",
      configPath: null,
      flags: { stateDir: "/s" },
    });
  });

  it.each([
    [["--help"], "help"],
    [["status", "-h"], "help"],
    [["serve", "--port", "1", "--help"], "help"],
    [["--version"], "version"],
    [["-v"], "version"],
  ])("%j is about the %s", (typed, command) => {
    expect(parseArguments(typed)).toEqual({ command });
  });

  it.each([
    [["sevre"], "there is no command sevre"],
    [["--prot", "1"], "there is no flag --prot"],
    [["-x"], "there is no flag -x"],
    [["--port"], "--port needs a value"],
    [["--port="], "--port needs a value"],
    [["--host", "--port", "1"], "--host needs a value"],
    [["--keep-workers=yes"], "--keep-workers takes no value"],
    [["status", "--port", "1"], "status does not take --port"],
    [["serve", "more"], "serve takes no more"],
    [["backup", "a", "b"], "backup takes no b"],
    [["models", "list", "a"], "models takes no a"],
    [["models", "pull"], "models needs list, or pull, verify or remove and the name of a model"],
    [["models", "push", "a"], "models needs list, or pull, verify or remove and the name of a model"],
    [["config"], "config needs check, show or schema"],
    [["config", "check", "--sources"], "config check does not take --sources"],
    [["models", "remove", "a", "--revision", "v1"], "models remove does not take --revision"],
  ])("%j is refused with one sentence", (typed, sentence) => {
    expect(parseArguments(typed)).toEqual({
      command: "refused",
      message: `understudy: ${sentence}; --help lists what there is.`,
    });
  });

  it("its help names every flag and fits a terminal", () => {
    for (const flag of [
      "--host",
      "--port",
      "--state-dir",
      "--config",
      "--sim-gpu",
      "--sim-speed",
      "--keep-workers",
      "--help",
      "--version",
    ])
      expect(helpText).toContain(flag);
    expect(Math.max(...helpText.split("\n").map((line) => line.length))).toBeLessThanOrEqual(130);
  });
});
