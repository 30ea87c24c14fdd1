import { defineConfig } from "vitest/config";

/** OpenAI's packages for Node.js and Python against a real service: `npm run test:openai`, which installs the Python one. */
export default defineConfig({
  test: {
    include: ["test/openai/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 1,
  },
});
