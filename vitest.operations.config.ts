import { defineConfig } from "vitest/config";

/** What Prometheus itself says of metrics, rules and the dashboard. It needs promtool, so it is not part of `npm test`. */
export default defineConfig({
  test: {
    include: ["test/operations/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    fileParallelism: false,
  },
});
