import { defineConfig } from "vitest/config";

/** The page in a Chromium, so not part of `npm test`; one file, because two browsers at once say little about seconds. */
export default defineConfig({
  test: {
    include: ["test/browser/**/*.test.ts"],
    testTimeout: 90_000,
    hookTimeout: 60_000,
    pool: "forks",
    fileParallelism: false,
  },
});
