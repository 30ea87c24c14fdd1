import { defineConfig } from "vitest/config";

/** The real worker on a real card: `npm run test:gpu`, which looks for the card first. */
export default defineConfig({
  test: {
    include: ["test/gpu/**/*.test.ts"],
    globalSetup: ["test/conformance/tiny-models.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
