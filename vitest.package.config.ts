import { defineConfig } from "vitest/config";

/** The packed package, as somebody else installs it; slow and with a registry, so not part of `npm test`. */
export default defineConfig({
  test: {
    include: ["test/package/**/*.test.ts"],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: "forks",
  },
});
