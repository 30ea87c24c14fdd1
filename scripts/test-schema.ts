/**
 * `npm run test:schema`: schemathesis sends what the OpenAPI document allows, and what it does not, to the real service with
 * simulated workers; nothing may be answered with 5xx or with what the document does not describe. `EXAMPLES` is the number a route.
 * Ends with 75 where the tool cannot be installed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { clock, endService, makeStateDir, startService, until } from "../test/harness/running-service.ts";
import { installTool, pythonOf } from "./python-tools.ts";

const root = new URL("..", import.meta.url).pathname;
const key = "a-key-for-the-schema-test";
const examplesPerRoute = process.env["EXAMPLES"] ?? "40";
const longestSeconds = 420;

/** What cannot be asked at random, and why. */
const leftOut: Readonly<Record<string, string>> = {
  "^/api/v1/(events|health/stream|machines/stream)$": "streams do not end",
  "^/(ws|inspect)$": "speak WebSocket",
  "^/api/v1/recovery/(trigger|reset|drills/\\{name\\})$": "take up to minutes, and stop rendering meanwhile",
  "^/api/v1/jobs/(pause|drain)$": "make every later submission wait or be refused",
  "^/api/v1/simulator/kill$": "kills the worker",
};

const installed = installTool("schemathesis");
if ("sentence" in installed) {
  console.log(`test:schema: ${installed.sentence}`);
  process.exit(installed.kind === "notPossible" ? 75 : 1);
}

const directory = makeStateDir();
const service = await startService({
  stateDir: directory.path,
  env: {
    UNDERSTUDY_API_KEY: key,
    UNDERSTUDY_LOG_LEVEL: "warn",
    UNDERSTUDY_SIM_SPEED: "50",
    UNDERSTUDY_QUEUE_MAX_JOBS: "100000",
    UNDERSTUDY_QUEUE_MAX_JOBS_PER_KEY: "100000",
    UNDERSTUDY_LIMITS_PER_SECOND: "100000",
  },
});
let status: unknown = 1;
try {
  const authorization = { authorization: `Bearer ${key}` };
  await until(
    "the service is ready",
    async () => (await service.json<{ mode: string }>("/readyz")).body.mode === "ready",
    60_000,
  );
  const filters = ["--exclude-path-regex", Object.keys(leftOut).join("|")];
  const tool = join(dirname(pythonOf("schemathesis")), "st");
  const words = [
    "--config-file",
    join(root, "test", "schema", "schemathesis.toml"),
    "run",
    `${service.url}/openapi.json`,
  ];
  const order = [
    "--header",
    `Authorization: ${authorization.authorization}`,
    "--phases",
    "examples,coverage,fuzzing",
    "--seed",
    "7",
  ];
  const bounds = [
    "--max-examples",
    examplesPerRoute,
    "--workers",
    "1",
    "--request-timeout",
    "60",
    "--no-shrink",
    "--continue-on-failure",
  ];
  const child = spawn(tool, [...words, ...order, ...bounds, ...filters], { cwd: directory.path, stdio: "inherit" });
  const timer = clock.setTimer(() => child.kill(), longestSeconds * 1_000);
  [status] = await once(child, "exit");
  clock.clearTimer(timer);
  const alive = await service.json("/livez");
  if (alive.status !== 200) status = 1;
  const defects = service
    .output()
    .split("\n")
    .filter((line) => line.includes("request.defect"));
  for (const line of defects) console.log(line);
  if (defects.length > 0) status = 1;
} finally {
  await endService(service);
  directory.remove();
}
process.exit(status === 0 ? 0 : 1);
