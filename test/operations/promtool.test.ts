/** Prometheus' own tool on what the service publishes, and on what is asked of it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { findPromtool } from "../../scripts/require-promtool.ts";
import { allDashboardExpressions, deployPath, readRules, valueIn } from "../harness/metric-names.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";

const found = findPromtool(process.env);
if (found.kind === "missing") throw new Error(found.message);
const { path: program } = found;

function promtool(args: readonly string[], input = ""): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8", timeout: 250_000 });
  return { status, said: `${stdout}${stderr}` };
}

const folder = mkdtempSync(join(tmpdir(), "understudy-promtool-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the running service's metrics", () => {
  const directory = makeStateDir();
  let service: RunningService;
  let text = "";
  beforeAll(async () => {
    service = await startService({ stateDir: directory.path, env: { UNDERSTUDY_SIM_SPEED: "8" } });
    const scrape = async (): Promise<string> => (await fetch(`${service.url}/metrics`)).text();
    await until(
      "the service is ready",
      async () => valueIn(await scrape(), 'understudy_mode{mode="ready"}') === 1,
      60_000,
    );
    await service.submit();
    const finished = 'understudy_jobs_finished_total{model="T2V-A14B",outcome="succeeded"}';
    await until("a job has ended", async () => valueIn(await scrape(), finished) === 1, 60_000);
    text = await scrape();
  });
  afterAll(async () => {
    await endService(service);
    directory.remove();
  });

  it("are clean", () => {
    expect(promtool(["check", "metrics"], text)).toEqual({ status: 0, said: "" });
  });

  it("would not be, with a name that is none", () => {
    const spoiled = `${text}\n# TYPE understudy_bad_ms counter\nunderstudy_bad_ms 1\n`;
    expect(promtool(["check", "metrics"], spoiled)).toMatchObject({
      status: 3,
      said: expect.stringContaining("understudy_bad_ms"),
    });
  });
});

describe("alert rules", () => {
  const rulesPath = deployPath("prometheus/understudy.rules.yml");
  const testPaths = ["prometheus/understudy.test.yml", "prometheus/understudy-days.test.yml"].map(deployPath);
  interface AlertTest {
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
  }
  const files = testPaths.map((path) => parse(readFileSync(path, "utf8")) as { readonly tests: readonly AlertTest[] });
  const tests = files.flatMap((file) => file.tests.flatMap((test) => test.alert_rule_test));
  const alerts = readRules().flatMap(({ alert }) => (alert === undefined ? [] : [alert]));

  it("are sound, and so is the configuration that loads them", () => {
    expect(promtool(["check", "rules", rulesPath])).toMatchObject({ status: 0 });
    expect(promtool(["check", "config", deployPath("prometheus/prometheus.yml")])).toMatchObject({ status: 0 });
  });

  it("fire for their reason and stay quiet without it", { timeout: 300_000 }, () => {
    expect(promtool(["test", "rules", ...testPaths])).toMatchObject({ status: 0 });
  });

  it.each(alerts)("%s is tried both ways", (alert) => {
    const own = tests.filter(({ alertname }) => alertname === alert);
    expect(own.some(({ exp_alerts }) => exp_alerts.length > 0)).toBe(true);
    expect(own.some(({ exp_alerts }) => exp_alerts.length === 0)).toBe(true);
  });

  /** Only the tests of one alert, against rules of which its expression is another. */
  function tryOther(alert: string, expr: string): number | null {
    const rules = parse(readFileSync(rulesPath, "utf8")) as { groups: { rules: { alert?: string; expr: string }[] }[] };
    for (const rule of rules.groups.flatMap((group) => group.rules)) if (rule.alert === alert) rule.expr = expr;
    writeFileSync(join(folder, "understudy.rules.yml"), stringify(rules));
    const own = files.find((file) =>
      file.tests.some((test) => test.alert_rule_test.some(({ alertname }) => alertname === alert)),
    );
    const kept = own?.tests.filter((test) => test.alert_rule_test.some(({ alertname }) => alertname === alert));
    writeFileSync(join(folder, "one.test.yml"), stringify({ ...own, tests: kept }));
    return promtool(["test", "rules", join(folder, "one.test.yml")]).status;
  }

  it.each(alerts)("the tests would notice if %s never fired, and if it always did", (alert) => {
    expect([tryOther(alert, "vector(1) > 2"), tryOther(alert, "vector(1)")]).toEqual([1, 1]);
  });
});

describe("the dashboard", () => {
  /** A panel's query as a rule; Grafana's variables get values that it would put there. */
  const asRules = (expressions: readonly string[]): string => {
    const path = join(folder, "dashboard.rules.yml");
    const filled = expressions.map((expr) => expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"));
    const rules = filled.map((expr, index) => ({ record: `panel:${index}`, expr }));
    writeFileSync(path, stringify({ groups: [{ name: "dashboard", rules }] }));
    return path;
  };

  it("asks nothing that Prometheus does not understand", () => {
    const expressions = allDashboardExpressions();
    expect(expressions.join()).not.toMatch(/\$(?!__rate_interval|instance)/);
    expect(promtool(["check", "rules", asRules(expressions)])).toMatchObject({
      status: 0,
      said: expect.stringContaining(`SUCCESS: ${expressions.length} rules found`),
    });
  });

  it("would be refused with a query that is wrong", () => {
    expect(promtool(["check", "rules", asRules(["sum by (mode (understudy_mode)"])]).status).toBe(1);
  });
});
