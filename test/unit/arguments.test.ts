import { describe, expect, it } from "vitest";
import { completionsOf, parseArguments } from "../../src/cli/arguments.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import { simulatedGpus } from "../../src/config/worker-settings.ts";

describe("the command line", () => {
  it("without a command serves", async () => {
    expect(await parseArguments([])).toEqual({ command: "serve", configPath: null, flags: {} });
  });

  it("turns flags into settings", async () => {
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
    expect(await parseArguments(typed)).toEqual({
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

  it("its flags are settings that exist and are read", async () => {
    const typed = await parseArguments([
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
  ])("%j is understood", async (typed, wanted) => {
    expect(await parseArguments(typed)).toEqual({ ...wanted, configPath: null, flags: {} });
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
  ])("%j is refused with what is wrong", async (typed, message) => {
    expect(await parseArguments(typed)).toMatchObject({
      command: "refused",
      message: expect.stringContaining(message),
    });
  });

  it("a backup needs a path", async () => {
    expect(await parseArguments(["backup", "copy.db", "--state-dir", "/s"])).toEqual({
      command: "backup",
      targetPath: "copy.db",
      configPath: null,
      flags: { stateDir: "/s" },
    });
    expect(await parseArguments(["backup"])).toEqual({
      command: "refused",
      message: "understudy: backup needs the path of the copy; --help lists what there is.",
    });
  });

  it("a replay needs an incident", async () => {
    expect(await parseArguments(["replay", "inc-1-1", "--state-dir", "/s"])).toEqual({
      command: "replay",
      incidentId: "inc-1-1",
      configPath: null,
      flags: { stateDir: "/s" },
    });
    expect(await parseArguments(["replay"])).toMatchObject({
      message: expect.stringContaining("replay needs the id of an incident"),
    });
  });

  it("turns a submission into what the service is asked", async () => {
    const typed = await parseArguments([
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

  it("narrows a list", async () => {
    const typed = await parseArguments(
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
  ])("refuses %j", async (typed, sentence) => {
    expect(await parseArguments(typed)).toMatchObject({
      command: "refused",
      message: expect.stringContaining(sentence),
    });
  });

  it("status knows where to look", async () => {
    expect(await parseArguments(["status", "--state-dir", "/s"])).toMatchObject({
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
  ])("%j is about the %s", async (typed, command) => {
    expect((await parseArguments(typed)).command).toBe(command);
  });

  it("help before a command is its --help", async () => {
    for (const words of [[], ["jobs"], ["jobs", "list"]]) {
      const page = await parseArguments([...words, "--help"]);
      expect(await parseArguments(["help", ...words])).toEqual(page);
      expect(page.command).toBe("help");
    }
  });

  it.each([
    [["sevre"], "there is no command sevre (did you mean serve?)"],
    [["sevre", "--help"], "there is no command sevre (did you mean serve?)"],
    [["help", "sevre"], "there is no command sevre (did you mean serve?)"],
    [["--prot", "1"], "there is no flag --prot (did you mean --port?)"],
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
    [
      ["models", "push", "a"],
      "models needs list, or pull, verify or remove and the name of a model (did you mean pull?)",
    ],
    [["config", "chek"], "config needs check, show or schema (did you mean check?)"],
    [["status", "--jsn"], "there is no flag --jsn (did you mean --json?)"],
    [["quite", "else"], "there is no command quite"],
    [["constructor"], "there is no command constructor"],
    [["jobs", "constructor"], "jobs needs list, submit and a prompt, or show, cancel or retry and the id of a job"],
    [["token", "create"], "token create needs --role viewer, submitter, operator"],
    [["token", "create", "--role", "king"], "token create needs --role viewer, submitter, operator"],
    [["token", "list", "--role", "viewer"], "token list does not take --role"],
    [["token"], "token needs create, list, or revoke and the id of a key"],
    [["worker"], "worker needs check and the command that starts a worker"],
    [["worker", "check"], "worker needs check and the command that starts a worker"],
    [["worker", "check", "--promises"], "--promises needs a value"],
    [
      ["worker", "check", "--fast", "python3"],
      "worker check does not take --fast; flags of the worker follow its command",
    ],
    [["completion"], "completion needs bash, zsh or fish"],
    [["config"], "config needs check, show or schema"],
    [["config", "check", "--sources"], "config check does not take --sources"],
    [["models", "remove", "a", "--revision", "v1"], "models remove does not take --revision"],
  ])("%j is refused with one sentence", async (typed, sentence) => {
    expect(await parseArguments(typed)).toEqual({
      command: "refused",
      message: `understudy: ${sentence}; --help lists what there is.`,
    });
  });

  it.each([
    ["--state-dir /s status", { command: "status", isJson: false, configPath: null, flags: { stateDir: "/s" } }],
    ["-c a.yaml --json jobs list", { command: "jobs", configPath: "a.yaml" }],
    ["jobs --json show j-1", { command: "jobs", wanted: { verb: "show", operand: "j-1", isJson: true } }],
    ["-p9100", { command: "serve", flags: { port: "9100" } }],
    ["serve --port 1 --port 2", { command: "serve", flags: { port: "2" } }],
    ["--allow-origin https://a --allow-origin https://b", { flags: { allowedOrigins: "https://a,https://b" } }],
    ["jobs submit x --priority -1", { wanted: { fields: { prompt: "x", priority: -1 } } }],
    ["jobs submit -- --port", { wanted: { operand: "--port" } }],
    ["token create --role operator --label laptop", { verb: "create", role: "operator", label: "laptop", keyId: "" }],
    ["token revoke k-1", { verb: "revoke", keyId: "k-1" }],
    ["completion zsh", { command: "completion", shell: "zsh" }],
  ])("%s is understood, wherever its flags stand", async (typed, wanted) => {
    expect(await parseArguments(typed.split(" "))).toMatchObject(wanted);
  });

  it("what follows the command of a worker is the worker's own", async () => {
    expect(
      await parseArguments("worker check --promises p.json python3 -m w --config c --port= --help -- -v".split(" ")),
    ).toEqual({
      command: "worker",
      promisesPath: "p.json",
      program: ["python3", "-m", "w", "--config", "c", "--port=", "--help", "--", "-v"],
    });
  });
});

const pageOf = async (...typed: readonly string[]): Promise<string> => {
  const answer = await parseArguments([...typed, "--help"]);
  return answer.command === "help" ? answer.text : "";
};

/** Every command with its verbs, as the first page lists them. */
const listed = async (): Promise<readonly (readonly string[])[]> =>
  [...(await pageOf()).matchAll(/^ {2}understudy ([a-z ]+?)(?: [A-Z. ]+)? {2}/gm)].map(([, path = ""]) =>
    path.trim().split(" "),
  );

describe("help", () => {
  it("on its first page names every command and every flag of serve", async () => {
    const page = await pageOf();
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
      expect(page).toContain(flag);
    const names = new Set((await listed()).map(([name]) => name));
    expect([...names].join(" ")).toBe(
      "serve status jobs drain doctor pause resume drill models config replay token backup worker completion",
    );
  });

  it("is there for every command and verb, names its flags and fits a terminal", async () => {
    const paths = await listed();
    expect(paths.length).toBeGreaterThan(25);
    for (const path of [[], ...paths, ...paths.map(([name = ""]) => [name])]) {
      const page = await pageOf(...path);
      expect([path, page.startsWith(`understudy${path.map((word) => ` ${word}`).join("")}: `)]).toEqual([path, true]);
      expect([path, Math.max(...page.split("\n").map((line) => line.length)) <= 130]).toEqual([path, true]);
    }
    expect(await pageOf("jobs", "submit")).toMatch(/--fallback CONSENT +stand_in_then_real, wait, fail or stand_in/);
    expect(await pageOf("models", "pull")).toContain("Examples\n  understudy models pull T2V-A14B");
  });

  it("gives examples that are understood", async () => {
    const examples = (await Promise.all((await listed()).map((path) => pageOf(...path)))).flatMap((page) =>
      [...(page.split("\nExamples\n")[1] ?? "").matchAll(/understudy ([^)\n>#]+?)(?: +[>#].*|\)".*)?$/gm)].map(
        ([, typed = ""]) => [...typed.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ""),
      ),
    );
    expect(examples.length).toBeGreaterThan(12);
    for (const words of examples) expect([words, (await parseArguments(words)).command]).toEqual([words, words[0]]);
  });
});

describe("completion", () => {
  it.each([
    ["jo", ["jobs"]],
    ["jobs ", ["submit", "list", "show", "cancel", "retry"]],
    ["jobs submit --fa", ["--fallback"]],
    ["jobs submit fox --fallback ", ["stand_in_then_real", "wait", "fail", "stand_in"]],
    ["token create --role o", ["operator"]],
    ["--sim-gpu h", ["h100", "h200"]],
    ["serve --sim-gpus", ["--sim-gpus"]],
    ["completion ", ["bash", "zsh", "fish"]],
    ["status nothing --", []],
  ])("of %j proposes %j", async (typed, wanted) => {
    expect((await completionsOf(typed.split(" "))).map(({ completion }) => completion)).toEqual(wanted);
  });

  it("knows every card that the configuration knows", async () => {
    const proposed = (await completionsOf(["serve", "--sim-gpu", ""])).map(({ completion }) => completion);
    expect(proposed).toEqual([...simulatedGpus]);
  });
});
