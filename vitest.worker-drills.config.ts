import { defineConfig } from "vitest/config";

/** Minutes of faults against the real worker, one after the other. It needs `npm run worker:install`. */
export default defineConfig({
  test: {
    include: ["test/worker-drills/**/*.test.ts"],
    globalSetup: ["test/conformance/tiny-models.ts"],
    pool: "forks",
    hookTimeout: 300_000,
  },
});
