import { configDefaults, defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      ...configDefaults.exclude,
      "test/package/**",
      "test/browser/**",
      "test/drills/**",
      "test/operations/**",
      "test/fixtures/**",
      "test/conformance/diffusers.test.ts",
      "test/worker/**",
      "test/worker-drills/**",
      "test/gpu/**",
      "test/openai/python-sdk.test.ts",
    ],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
    fileParallelism: true,
  },
});
