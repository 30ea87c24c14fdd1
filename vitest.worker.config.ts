import { defineConfig } from "vitest/config";

/** The Python worker against the same checks as every worker. It needs `npm run worker:install`: not part of `npm test`. */
export default defineConfig({
  test: {
    include: ["test/conformance/diffusers.test.ts", "test/worker/**/*.test.ts"],
    maxWorkers: 1,
    globalSetup: ["test/conformance/tiny-models.ts"],
    pool: "forks",
    testTimeout: 720_000,
    hookTimeout: 720_000,
  },
});
