import { describe, expect, it } from "vitest";
import { type ConfigTexts, parseConfig } from "../../src/config/parse-config.ts";
import type { Config } from "../../src/config/schema.ts";
import { secretNames, settingNames } from "../../src/config/setting-names.ts";
import { configJsonSchema, type SettingSchema } from "../../src/config/settings.ts";
import { simulatedGpus } from "../../src/config/worker-settings.ts";
import { dayMs, gibibyte, secondMs } from "../../src/core/units.ts";
import { defaultHealthMonitorLimits } from "../../src/machines/health-monitor-types.ts";
import { defaultRecoveryLimits } from "../../src/machines/recovery-types.ts";
import { defaultBreakerLimits } from "../../src/recovery/breaker.ts";
import { defaultBudgetLimits } from "../../src/recovery/budget.ts";
import { retryTables } from "../../src/recovery/retry-delays.ts";

const home = { HOME: "/home/somebody" };
const key = "0123456789abcdef0123456789abcdef";

function accepted(texts: ConfigTexts = {}): Config {
  const answer = parseConfig({ ...texts, environment: { ...home, ...texts.environment } });
  if (answer.kind === "refused") throw new Error(answer.message);
  return answer.config;
}

function sentence(texts: ConfigTexts): string {
  const answer = parseConfig({ ...texts, environment: { ...home, ...texts.environment } });
  return answer.kind === "refused" ? answer.message : "accepted";
}

const file = (content: unknown): ConfigTexts => ({ file: { path: "understudy.json", text: JSON.stringify(content) } });

describe("the defaults", () => {
  it("serve one simulator on loopback", () => {
    expect(accepted()).toMatchObject({
      host: "127.0.0.1",
      port: 9000,
      apiKey: null,
      lead: "T2V-A14B",
      alternative: "TI2V-5B",
      leaseMs: 30 * secondMs,
    });
    expect(accepted().workers).toEqual([
      {
        id: "worker-0",
        command: [],
        kind: "simulator",
        gpu: "sim80",
        speed: 1,
        fault: "",
        models: ["T2V-A14B", "I2V-A14B", "TI2V-5B"],
        cardNumber: null,
        device: "auto",
        python: null,
      },
    ]);
  });

  it("are the ones that machines and decisions have without a configuration", () => {
    const { health, recovery } = accepted();
    expect(health).toMatchObject({
      sampleEveryMs: defaultHealthMonitorLimits.sampleEveryMs,
      checkEveryMs: defaultHealthMonitorLimits.checkEveryMs,
      thresholds: defaultHealthMonitorLimits.thresholds,
    });
    expect(recovery.budget).toEqual(defaultBudgetLimits);
    expect(defaultBreakerLimits).toMatchObject(recovery.breaker);
    expect(recovery.retries).toEqual({ downloads: retryTables.model_download, loads: retryTables.model_loading });
    const { climbCount, cooldownMs, lookBack } = defaultRecoveryLimits;
    expect(recovery).toMatchObject({ climbCount, cooldownMs, lookBack, ladders: {} });
  });

  it.each([
    ["XDG_STATE_HOME", { XDG_STATE_HOME: "/var/state", HOME: "/home/a" }, "/var/state/understudy"],
    ["HOME", { HOME: "/home/a" }, "/home/a/.local/state/understudy"],
    [
      "HOME where XDG_STATE_HOME is relative",
      { XDG_STATE_HOME: "state", HOME: "/home/a" },
      "/home/a/.local/state/understudy",
    ],
  ])("put the state directory below %s", (_what, environment, expected) => {
    const answer = parseConfig({ environment });
    expect(answer.kind === "accepted" && answer.config.stateDir).toBe(expected);
  });

  it("without a home the state directory has to be named", () => {
    expect(parseConfig({})).toMatchObject({
      kind: "refused",
      code: "CONFIGURATION_INVALID",
      problems: ["Configuration: stateDir has no default here, because HOME is not set; say --state-dir."],
    });
    expect(parseConfig({ flags: { stateDir: "/srv/state" } }).kind).toBe("accepted");
  });
});

describe("layers", () => {
  const all: ConfigTexts = {
    flags: { port: "9300" },
    environment: { UNDERSTUDY_PORT: "9200" },
    ...file({ port: 9100 }),
  };

  it("a flag wins over the environment, the environment over the file, the file over the default", () => {
    expect(accepted(all).port).toBe(9300);
    expect(accepted({ ...all, flags: {} }).port).toBe(9200);
    expect(accepted(file({ port: 9100 })).port).toBe(9100);
    expect(accepted().port).toBe(9000);
  });

  it("say who set what", () => {
    const answer = parseConfig({ ...all, environment: { ...home, UNDERSTUDY_STAND_IN_AFTER: "1s" } });
    expect(answer.kind === "accepted" && Object.fromEntries(answer.sources)).toMatchObject({
      port: "--port",
      "standIn.after": "UNDERSTUDY_STAND_IN_AFTER",
      stateDir: "the defaults",
    });
  });

  it("groups are merged and lists replaced", () => {
    const config = accepted({
      environment: { UNDERSTUDY_DISK_BALLAST: "1MiB", UNDERSTUDY_CONSENT_ALLOW: "frames" },
      ...file({ disk: { minFree: "1GiB" } }),
    });
    expect(config.disk).toEqual({ minFreeBytes: gibibyte, ballastBytes: 1_048_576 });
    expect(config.consent.allow).toEqual(["frames"]);
  });

  it("an environment name may use two underscores between group and field, and may hold JSON", () => {
    const environment = { UNDERSTUDY_STAND_IN__AFTER: "4s", UNDERSTUDY_WORKERS: '[{"id":"front"},{"id":"back"}]' };
    expect(accepted({ environment }).standIn.afterMs).toBe(4_000);
    expect(accepted({ environment }).workers.map((worker) => worker.id)).toEqual(["front", "back"]);
  });

  it("every setting has an environment name of its own", () => {
    expect(new Set(settingNames.map((setting) => setting.environmentName)).size).toBe(settingNames.length);
  });

  it("names, in the same order, the settings and secrets that the JSON Schema describes", () => {
    const listed = (schema: SettingSchema, prefix: string): readonly (readonly [string, SettingSchema])[] =>
      Object.entries(schema.properties ?? {}).flatMap(([key, inner]) =>
        inner.properties === undefined ? [[`${prefix}${key}`, inner] as const] : listed(inner, `${prefix}${key}.`),
      );
    const described = listed(configJsonSchema(), "");
    expect(settingNames.map(({ path }) => path)).toEqual(described.map(([path]) => path));
    const secrets = described.filter(([, schema]) => schema["x-secret"] === true).map(([path]) => path);
    expect(secrets.length).toBeGreaterThan(0);
    expect(secretNames.map(({ path }) => path)).toEqual(secrets);
  });

  it("variables that belong to a worker are left alone, a mistyped one is not", () => {
    expect(
      sentence({ environment: { UNDERSTUDY_WORKER_SOCKET: "/x", UNDERSTUDY_CONFIG: "/y", UNDERSTUDY_PORT: "" } }),
    ).toBe("accepted");
    expect(sentence({ environment: { UNDERSTUDY_PROT: "1" } })).toBe(
      "Configuration: the environment variable UNDERSTUDY_PROT names no setting; docs/configuration.md lists all.",
    );
  });

  it("the simulator's flags are about every worker, and leave alone what they do not name", () => {
    const { workers } = accepted({
      flags: { "sim.gpu": "h100" },
      ...file({
        workers: [
          { id: "a", speed: 7 },
          { id: "b", gpu: "a100" },
        ],
      }),
    });
    expect(workers.map(({ gpu, speed }) => [gpu, speed])).toEqual([
      ["h100", 7],
      ["h100", 1],
    ]);
  });

  it.each(simulatedGpus)("the simulator can play %s", (gpu) => {
    expect(accepted({ flags: { "sim.gpu": gpu } }).workers[0]?.gpu).toBe(gpu);
  });
});

describe("units", () => {
  it("times and sizes come out in ms and bytes", () => {
    const config = accepted(
      file({
        lease: "1.5s",
        retention: { results: "2d", resultsSize: "3GiB" },
        health: { cpu: { warning: "70%", critical: 0.9 } },
      }),
    );
    expect(config.leaseMs).toBe(1_500);
    expect(config.retention).toMatchObject({ resultMaxAgeMs: 2 * dayMs, resultMaxBytes: 3 * gibibyte });
    expect(config.health.thresholds.cpuRatio).toEqual({ warning: 0.7, critical: 0.9 });
  });
});

describe("a refusal is one sentence that names the setting and who set it", () => {
  it.each<[string, ConfigTexts]>([
    ["Configuration: port must be a whole number from 0 to 65535 (from --port).", { flags: { port: "http" } }],
    [
      "Configuration: port must be a whole number from 0 to 65535 (from UNDERSTUDY_PORT).",
      { environment: { UNDERSTUDY_PORT: "70000" } },
    ],
    [
      'Configuration: lease must be a time with its unit, such as "30s" (from the file understudy.json, line 1).',
      file({ lease: 30 }),
    ],
    [
      'Configuration: disk.minFree must be a size with its unit, such as "2GiB" (from the file understudy.json, line 1).',
      file({ disk: { minFree: "2 bananas" } }),
    ],
    [
      "Configuration: standIn.after must be from 0s to 1h (from the file understudy.json, line 1).",
      file({ standIn: { after: "2h" } }),
    ],
    [
      'Configuration: health.cpu.warning must be a share from 0 to 1, or from "0%" to "100%" (from the file understudy.json, line 1).',
      file({ health: { cpu: { warning: 80 } } }),
    ],
    [
      "Configuration: health.cpu must not have its critical level below its warning (from the file understudy.json, line 1).",
      file({ health: { cpu: { warning: "99%" } } }),
    ],
    [
      "Configuration: there is no setting disk.minfree (from the file understudy.json, line 1); docs/configuration.md lists all.",
      file({ disk: { minfree: "1GiB" } }),
    ],
    [
      "Configuration: recovery.breakerFaults (from the file understudy.json, line 1) is called recovery.breakerRepairs now; write that name instead.",
      file({ recovery: { breakerFaults: 3 } }),
    ],
    [
      "Configuration: the environment variable UNDERSTUDY_RECOVERY_BREAKER_FAULTS is called UNDERSTUDY_RECOVERY_BREAKER_REPAIRS now; set that one instead.",
      { environment: { UNDERSTUDY_RECOVERY_BREAKER_FAULTS: "3" } },
    ],
    [
      "Configuration: recovery.retries.loads must be a whole number from 1 to 100 (from the file understudy.json, line 1).",
      file({ recovery: { retries: { loads: 0 } } }),
    ],
    // It once ended the start with a TypeError.
    [
      "Configuration: recovery.climbs must be a whole number from 1 to 20 (from the file understudy.json, line 1).",
      file({ recovery: { climbs: 0 } }),
    ],
    [
      "Configuration: recovery.retries must not have loadLongest below loadFirst (from the file understudy.json, line 1).",
      file({ recovery: { retries: { loadFirst: "20s" } } }),
    ],
    [
      "Configuration: there is no setting recovery.ladders.tiredness (from the file understudy.json, line 1); docs/configuration.md lists all.",
      file({ recovery: { ladders: { tiredness: [] } } }),
    ],
    [
      "Configuration: disk must be a group of settings; one that sets nothing is written {} (from the file understudy.json, line 1).",
      file({ disk: 3 }),
    ],
    [
      "Configuration: allowedOrigins[0] must be an origin such as https://example.org (from --allow-origin).",
      { flags: { allowedOrigins: "example" } },
    ],
    [
      "Configuration: stateDir must not lie in the kernel's own file systems (from --state-dir).",
      { flags: { stateDir: "/proc/x" } },
    ],
    [
      "Configuration: sim.gpu must be one of sim80, rtx4090, a100, h100, h200 (from --sim-gpu).",
      { flags: { "sim.gpu": "rtx9999" } },
    ],
    [
      "Configuration: workers must have different ids (from the file understudy.json, line 1).",
      file({ workers: [{ id: "a" }, { id: "a" }] }),
    ],
    [
      "Configuration: workers[0].speed must be a number from 0.01 to 1000 (from the file understudy.json, line 1).",
      file({ workers: [{ id: "a", speed: 0 }] }),
    ],
    [
      "Configuration: lead must be a model of a worker, and none has T2V-A14B (from the file understudy.json, line 1).",
      file({ lead: "T2V-A14B", workers: [{ id: "a", models: ["TI2V-5B"] }] }),
    ],
    [
      "Configuration: alternative must be another model than lead (from UNDERSTUDY_ALTERNATIVE).",
      { environment: { UNDERSTUDY_ALTERNATIVE: "T2V-A14B" } },
    ],
    ["Configuration: the file understudy.json must hold one group of settings.", file([1])],
  ])("%s", (expected, texts) => {
    expect(sentence(texts)).toBe(expected);
  });

  it("a file that is neither YAML nor JSON is named", () => {
    expect(sentence({ file: { path: "/etc/understudy.json", text: "{ port: 1" } })).toMatch(
      /^Configuration: the file \/etc\/understudy\.json is neither YAML nor JSON \(line 1: .+\)\.$/,
    );
  });
});

describe("the key", () => {
  it("is taken from the environment only", () => {
    expect(sentence(file({ apiKey: key }))).toContain("must not stand in the file understudy.json");
    expect(sentence({ flags: { apiKey: key } })).toContain("must not stand on the command line");
  });

  it("never stands in a sentence", () => {
    const short = "tooshort";
    expect(sentence({ environment: { UNDERSTUDY_API_KEY: short } })).toBe(
      "Configuration: apiKey must have at least 16 characters (from UNDERSTUDY_API_KEY).",
    );
    expect(sentence(file({ apiKey: key }))).not.toContain(key);
  });
});

it.each([
  ["own without a command", { id: "w", kind: "own" }],
  ["a command of another kind", { id: "w", kind: "simulator", command: ["python3"] }],
])("refuses a worker that is %s", (_, worker) => {
  expect(sentence(file({ workers: [worker] }))).toMatch(/workers.* must have a command exactly where the kind is own/);
});
