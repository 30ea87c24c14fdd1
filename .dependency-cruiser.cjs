/**
 * The arrows of ARCHITECTURE.md as rules. `scripts/check-arrows.ts` runs them and fails when a source file was not looked at.
 */

/** Packages that are part of the built files (scripts/bundle.ts), and so are no dependencies of the package. */
const bundled = [
  "@hono/node-server",
  "@hono/zod-openapi",
  "@statelyai/inspect",
  "@stricli/core",
  "hono",
  "pino",
  "prom-client",
  "systeminformation",
  "vscode-jsonrpc",
  "ws",
  "xstate",
  "yaml",
  "zod",
];

/** Folder below src/ → folders that it may import, besides itself. */
const arrows = {
  core: [],
  config: ["core"],
  contract: ["core"],
  recovery: ["core"],
  machines: ["core", "recovery"],
  jobs: ["core", "contract", "recovery"],
  gpu: ["core", "config"],
  workers: ["core", "config", "contract"],
  models: ["core", "config", "contract"],
  store: ["core", "config"],
  media: ["core", "config"],
  webhooks: ["core"],
  telemetry: ["core", "config"],
  server: ["core", "contract", "config"],
  app: [
    "core",
    "config",
    "contract",
    "recovery",
    "machines",
    "jobs",
    "gpu",
    "workers",
    "models",
    "store",
    "media",
    "telemetry",
    "webhooks",
    "server",
  ],
  cli: ["app", "config", "core", "contract"],
};

/** Room of app → rooms that it may import, besides itself. The top of app puts the rooms together, and none imports it. */
const rooms = {
  workers: [],
  health: [],
  rendering: ["workers"],
  models: ["health", "rendering", "workers"],
  incidents: ["rendering", "workers"],
  status: ["incidents", "workers"],
  drills: ["workers"],
  doctor: ["health", "models"],
};

/** What they need of config is its types; values arrive as arguments. */
const configTypesOnly = ["gpu", "workers", "models", "store", "media", "telemetry", "server"];

const below = (folders) => `^src/(?:${folders.join("|")})/`;
const belowApp = (names) => `^src/app/(?:${names.join("|")})/`;
const package_ = (names) => `(?:^|/)node_modules/(?:${names.join("|")})/`;
const native = package_(["@napi-rs/canvas[^/]*", "@napi-rs/webcodecs[^/]*", "mediabunny"]);

const folderRules = Object.entries(arrows).map(([folder, mayImport]) => ({
  name: `${folder}-arrows`,
  comment:
    mayImport.length === 0 ? `${folder} imports no other folder` : `${folder} imports only ${mayImport.join(", ")}`,
  severity: "error",
  from: { path: below([folder]), ...(folder === "workers" ? { pathNot: "^src/workers/simulator/" } : {}) },
  to: { path: "^src/", pathNot: below([folder, ...mayImport]) },
}));

const roomRules = Object.entries(rooms).map(([room, mayImport]) => ({
  name: `room-${room}-arrows`,
  comment:
    mayImport.length === 0
      ? `the room ${room} imports no other room, and not the top of app`
      : `the room ${room} imports only the rooms ${mayImport.join(", ")}, and not the top of app`,
  severity: "error",
  from: { path: belowApp([room]) },
  to: { path: "^src/app/", pathNot: belowApp([room, ...mayImport]) },
}));

module.exports = {
  forbidden: [
    ...folderRules,
    ...roomRules,
    {
      name: "known-rooms",
      comment: "every folder of app is a room with arrows",
      severity: "error",
      from: { path: "^src/app/[^/]+/", pathNot: belowApp(Object.keys(rooms)) },
      to: {},
    },
    {
      name: "simulator-arrows",
      comment: "the simulator is a program of its own; it may import media besides what workers may",
      severity: "error",
      from: { path: "^src/workers/simulator/" },
      to: { path: "^src/", pathNot: below(["workers", ...arrows.workers, "media"]) },
    },
    {
      name: "simulator-is-a-program",
      comment: "the simulator is started, never imported",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/workers/simulator/" },
      to: { path: "^src/workers/simulator/" },
    },
    {
      name: "known-folders",
      comment: "every source file lies in a folder with arrows; only main.ts lies above them",
      severity: "error",
      from: { path: "^src/", pathNot: `${below(Object.keys(arrows))}|^src/main\\.ts$` },
      to: {},
    },
    {
      name: "main-arrows",
      comment: "the entry chooses a command; it starts nothing itself",
      severity: "error",
      from: { path: "^src/main\\.ts$" },
      to: { path: "^src/", pathNot: below(["cli", "config", "core"]) },
    },
    {
      name: "config-types-only",
      comment: "an adapter is given values; it reads no configuration",
      severity: "error",
      from: { path: below(configTypesOnly) },
      to: { path: "^src/config/", dependencyTypesNot: ["type-only"] },
    },
    {
      name: "core-packages",
      comment: "core, contract, recovery and jobs need zod at most; the contract's routes also what describes them",
      severity: "error",
      from: { path: below(["core", "contract", "recovery", "jobs"]), pathNot: "^src/contract/api/" },
      to: { path: "(?:^|/)node_modules/", pathNot: package_(["zod"]) },
    },
    {
      name: "config-packages",
      comment: "config needs zod, and reads and writes YAML",
      severity: "error",
      from: { path: below(["config"]) },
      to: { path: "(?:^|/)node_modules/", pathNot: package_(["zod", "yaml"]) },
    },
    {
      name: "no-node-in-the-middle",
      comment: "only adapters, server, app and cli touch the operating system",
      severity: "error",
      from: { path: below(["core", "config", "contract", "recovery", "machines", "jobs"]) },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "xstate-places",
      comment: "statecharts live in machines; app starts them, telemetry inspects them",
      severity: "error",
      from: { path: "^src/", pathNot: below(["machines", "app", "telemetry"]) },
      to: { path: package_(["xstate"]) },
    },
    {
      name: "codecs-places",
      comment: "native media code lives in media alone",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/media/" },
      to: { path: native },
    },
    {
      name: "codecs-run-in-a-child",
      comment: "the service's own process loads no native media code",
      severity: "error",
      from: { path: "^src/main\\.ts$" },
      to: { path: native, reachable: true },
    },
    { name: "no-test-in-source", severity: "error", from: { path: "^src/" }, to: { path: "^(?:test|scripts|bench)/" } },
    { name: "no-cycles", severity: "error", from: { path: "^src/" }, to: { circular: true } },
    { name: "no-unresolved", severity: "error", from: { path: "^src/" }, to: { couldNotResolve: true } },
    {
      name: "no-undeclared-packages",
      comment: "what runs in production is named in package.json",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-tools-in-production",
      comment: "a package that runs in production is a dependency, or is listed as one that the build takes in",
      severity: "error",
      from: { path: "^src/" },
      to: {
        path: "(?:^|/)node_modules/",
        pathNot: package_(bundled),
        dependencyTypes: ["npm-dev"],
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "nothing-forgotten",
      comment:
        "every file is reached from a program: main.ts, the simulator, a child or a thread; the simulation's clock is for tests",
      severity: "error",
      from: { path: "^src/(?:main|workers/simulator/main|.*-(?:child|thread))\\.ts$" },
      to: {
        path: "^src/.*\\.ts$",
        pathNot: "^src/(?:main|core/virtual-clock|core/timer-heap|workers/simulator/main|.*-(?:child|thread))\\.ts$",
        reachable: false,
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // Without this, type-only imports are invisible, and with them half of the arrows.
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      extensions: [".ts", ".js", ".json"],
    },
  },
};
