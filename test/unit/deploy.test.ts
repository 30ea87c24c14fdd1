/** What deploy/ promises, held against the project: without a Docker engine and without a systemd that runs. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseArguments } from "../../src/cli/arguments.ts";
import { parseConfig } from "../../src/config/parse-config.ts";
import { settingNames } from "../../src/config/setting-names.ts";

const root = new URL("../..", import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const isThere = (path: string): boolean => existsSync(join(root, path));
const environmentNames = new Set(settingNames.map(({ environmentName }) => environmentName));

/** Settings among these variables are settings that there are, with values that are accepted. */
function expectSettings(variables: Readonly<Record<string, string>>): void {
  const own = Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith("UNDERSTUDY_")));
  for (const name of Object.keys(own)) expect(environmentNames).toContain(name);
  const environment = { HOME: "/home/somebody", UNDERSTUDY_API_KEY: "0123456789abcdef", ...own };
  expect(parseConfig({ environment, flags: {} })).toMatchObject({ kind: "accepted" });
}

describe("the systemd unit", () => {
  const unit = read("deploy/understudy.service");
  const lines = unit.split("\n").filter((line) => /^\w+=/.test(line));
  const valuesOf = (name: string): string[] =>
    lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
  const [command = ""] = valuesOf("ExecStart");
  const words = command.replaceAll("/opt/understudy/", "").split(" ");

  it("starts the program of this project with flags that it takes, so that renders outlive a restart", async () => {
    const [node = "", program = "", ...args] = words;
    expect(isThere(node)).toBe(true);
    expect(isThere(program)).toBe(true);
    expect(await parseArguments(args)).toEqual({
      command: "serve",
      configPath: null,
      flags: { "renderer.kind": "diffusers", keepWorkers: "true" },
    });
    // The signal goes to the supervisor alone, and nothing that its workers use is taken away with it.
    expect(valuesOf("KillMode")).toEqual(["process"]);
    expect(valuesOf("KillSignal")).toEqual(["SIGTERM"]);
    expect(valuesOf("RuntimeDirectory")).toEqual([]);
    expect(Number(valuesOf("OOMScoreAdjust")[0])).toBeLessThan(0);
  });

  it("names settings that there are, and keeps its state where systemd makes a folder", () => {
    const variables = Object.fromEntries(valuesOf("Environment").map((line) => line.split("=") as [string, string]));
    expectSettings(variables);
    expect(variables["UNDERSTUDY_STATE_DIR"]).toBe(`/var/lib/${valuesOf("StateDirectory")[0]}`);
    expect(variables["HF_HOME"]).toBe(`/var/cache/${valuesOf("CacheDirectory")[0]}`);
  });

  it("is hardened, but for what a card and its libraries need", () => {
    const hardening = [
      "NoNewPrivileges",
      "ProtectSystem",
      "ProtectHome",
      "PrivateTmp",
      "ProtectKernelTunables",
      "RestrictSUIDSGID",
      "LockPersonality",
    ];
    for (const name of hardening) expect(valuesOf(name)).toEqual([name === "ProtectSystem" ? "strict" : "yes"]);
    for (const name of ["MemoryDenyWriteExecute", "PrivateDevices"]) expect(valuesOf(name)).toEqual([]);
  });

  it("is understood by systemd", (context) => {
    const found = spawnSync("systemd-analyze", ["--version"]).error === undefined;
    // Where there is no systemd to ask, the summary names the test as not run.
    if (!found) return context.skip("systemd-analyze is not installed here");
    const folder = mkdtempSync(join(tmpdir(), "understudy-unit-"));
    try {
      const path = join(folder, "understudy.service");
      // A user and paths of this machine in place of those of an installation.
      writeFileSync(
        path,
        unit.replaceAll("/opt/understudy/", root).replace("User=understudy", `User=${userInfo().username}`),
      );
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
        encoding: "utf8",
      });
      const about = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("understudy.service"));
      expect([status, about]).toEqual([0, []]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Instructions with their continuation lines joined. */
function instructionsOf(path: string): Instruction[] {
  const text = read(path)
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("#"))
    .join("\n")
    .replaceAll("\\\n", " ");
  return [...text.matchAll(/^([A-Z]+) +(.+)$/gm)].map(([, name = "", rest = ""]) => ({ name, rest: rest.trim() }));
}

/** Docker's ignore file as this project writes it: all but what is named. */
const allowed = read(".dockerignore")
  .split("\n")
  .filter((line) => line.startsWith("!"))
  .map((line) => line.slice(1));
const isSent = (path: string): boolean => allowed.some((entry) => path === entry || path.startsWith(`${entry}/`));

describe.each(["deploy/api.Dockerfile", "deploy/worker.Dockerfile"])("%s", (path) => {
  const instructions = instructionsOf(path);
  const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));
  const restsOf = (from: readonly Instruction[], name: string): string[] =>
    from.filter((one) => one.name === name).map(({ rest }) => rest);

  it("copies what there is, and what Docker is sent", () => {
    const sources = restsOf(instructions, "COPY")
      .filter((rest) => !rest.startsWith("--from="))
      .flatMap((rest) => rest.split(/ +/).slice(0, -1));
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) expect([source, isThere(source), isSent(source)]).toEqual([source, true, true]);
  });

  it("runs a command that this program understands, not as root, with settings that there are", async () => {
    const args = JSON.parse(restsOf(lastStage, "CMD")[0] ?? "[]") as string[];
    const entry = JSON.parse(restsOf(lastStage, "ENTRYPOINT")[0] ?? "[]") as string[];
    expect(entry).toEqual(["node", "bin/understudy.js"]);
    expect(isThere(entry[1] ?? "")).toBe(true);
    expect(await parseArguments(args)).toMatchObject({ command: "serve" });
    expect(restsOf(lastStage, "USER")[0]).toMatch(/^(?:node|understudy)$/);
    const pairs = restsOf(lastStage, "ENV").flatMap((rest) =>
      rest.split(/ +/).map((pair) => pair.split("=") as [string, string]),
    );
    expectSettings(Object.fromEntries(pairs));
  });

  it("is healthy by a probe that needs no key", () => {
    expect(restsOf(lastStage, "HEALTHCHECK")[0]).toContain("/livez");
  });
});

describe("the images", () => {
  it("differ in Python: the service alone has none, the worker's has what its requirements name", () => {
    expect(read("deploy/api.Dockerfile")).not.toMatch(/^(?:FROM|RUN|COPY).*(?:python|worker\/)/m);
    const worker = read("deploy/worker.Dockerfile");
    expect(worker).toMatch(/^COPY worker\/requirements\.txt /m);
    expect(worker).toMatch(/-r worker\/requirements\.txt$/m);
    expect(worker).toContain("UNDERSTUDY_RENDERER_KIND=diffusers");
    for (const file of ["worker/understudy_worker/__main__.py", "worker/requirements.txt"])
      expect(statSync(join(root, file)).isFile()).toBe(true);
  });
});

interface ComposeService {
  readonly build: { readonly context: string; readonly dockerfile: string };
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly ports: readonly string[];
  readonly init: boolean;
}

describe("the compose file", () => {
  const { services, volumes } = parse(read("deploy/compose.yaml")) as {
    readonly services: Readonly<Record<string, ComposeService>>;
    readonly volumes: Readonly<Record<string, unknown>>;
  };

  it.each(Object.entries(services))(
    "builds %s from this project, with volumes and settings that there are, on the loopback alone",
    (_, service) => {
      expect(statSync(join(root, "deploy", service.build.context, "package.json")).isFile()).toBe(true);
      expect(isThere(service.build.dockerfile)).toBe(true);
      const declared = instructionsOf(service.build.dockerfile)
        .filter(({ name }) => name === "VOLUME")
        .map(({ rest }) => rest)
        .join(" ");
      for (const volume of service.volumes) {
        const [name = "", target = ""] = volume.split(":");
        expect(Object.keys(volumes)).toContain(name);
        expect(declared).toContain(target);
      }
      for (const port of service.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      expect(service.init).toBe(true);
      const given = Object.entries(service.environment).map(([name, value]): [string, string] => [
        name,
        value.replace(/^\$\{\w+:-(.*)\}$/, "$1").replace(/^\$\{\w+:\?.*\}$/, "0123456789abcdef"),
      ]);
      expectSettings(Object.fromEntries(given));
    },
  );
});
