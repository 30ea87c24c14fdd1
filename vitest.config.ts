import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const minuteMs = 60_000;
const main = "main";
const oneByOne = { fileParallelism: false } as const;
const withTinyModels = { globalSetup: ["test/conformance/tiny-models.ts"] };

/** What `npm test` leaves out: it needs minutes, or more than Node.js. Each has its npm script, which looks first for what it needs. */
const apart = {
  /** One file at a time, because two browsers at once say little about seconds. */
  browser: {
    include: ["test/browser/**/*.test.ts"],
    testTimeout: 1.5 * minuteMs,
    hookTimeout: minuteMs,
    ...oneByOne,
  },
  /** Minutes of faults against one real service, one after the other. */
  drills: { include: ["test/drills/**/*.test.ts"], hookTimeout: minuteMs, ...oneByOne },
  /** A real service under strace: what is on the disk before anybody hears of it. */
  durability: {
    include: ["test/durability/**/*.test.ts"],
    testTimeout: 2 * minuteMs,
    hookTimeout: 2 * minuteMs,
    ...oneByOne,
  },
  /** The real worker on a real card. */
  gpu: {
    include: ["test/gpu/**/*.test.ts"],
    testTimeout: 5 * minuteMs,
    hookTimeout: 5 * minuteMs,
    ...oneByOne,
    ...withTinyModels,
  },
  /** OpenAI's packages for Node.js and Python against a real service; only the Python one is left out of `npm test`. */
  openai: {
    include: ["test/openai/**/*.test.ts"],
    testTimeout: minuteMs,
    hookTimeout: minuteMs,
    maxWorkers: 1,
  },
  /** What Prometheus itself says of metrics, rules and the dashboard. */
  operations: {
    include: ["test/operations/**/*.test.ts"],
    testTimeout: minuteMs,
    hookTimeout: 2 * minuteMs,
    ...oneByOne,
  },
  /** The packed package, as somebody else installs it: slow, and with a registry. */
  package: {
    include: ["test/package/**/*.test.ts"],
    testTimeout: 3 * minuteMs,
    hookTimeout: 3 * minuteMs,
  },
  /** The Python worker against the same checks as every worker. */
  worker: {
    include: ["test/conformance/diffusers.test.ts", "test/worker/**/*.test.ts"],
    testTimeout: 12 * minuteMs,
    hookTimeout: 12 * minuteMs,
    maxWorkers: 1,
    ...withTinyModels,
  },
  /** Minutes of faults against the real worker, one after the other. */
  "worker-drills": {
    include: ["test/worker-drills/**/*.test.ts"],
    hookTimeout: 5 * minuteMs,
    ...withTinyModels,
  },
} satisfies Readonly<Record<string, TestProjectInlineConfiguration["test"]>>;

const leftOut = Object.values({ ...apart, openai: { include: ["test/openai/python-sdk.test.ts"] } });

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: main,
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, "test/fixtures/**", ...leftOut.flatMap(({ include }) => include)],
          testTimeout: minuteMs / 2,
          hookTimeout: minuteMs / 2,
          maxWorkers: 2,
        },
      },
      ...Object.entries(apart).map(([name, test]) => ({ extends: true as const, test: { name, ...test } })),
    ],
  },
});
