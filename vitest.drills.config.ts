import { defineConfig } from "vitest/config";

/** Minutes of faults against one real service, one after the other: not part of `npm test`. */
export default defineConfig({ test: { include: ["test/drills/**/*.test.ts"], pool: "forks", hookTimeout: 60_000 } });
