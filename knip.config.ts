import type { KnipConfig } from "knip";
import manifest from "./package.json" with { type: "json" };

/** Dead code is what none of these programs reaches. Tests are among them: knip knows them from vitest.config.ts. */
const config: KnipConfig = {
  entry: [
    ...Object.values(manifest.scripts).flatMap((command) => command.match(/(?:scripts|bench)\/\S+/g) ?? []),
    // Programs and threads of the service, and what a browser loads.
    "src/main.ts",
    "src/workers/simulator/main.ts",
    "src/**/*-{child,thread}.ts",
    "src/server/page/{page,inspector,machines}.js",
    "src/server/docs/start.js",
    // Started by another file, which names it in a text.
    "scripts/bundle.ts",
    "bench/bare-hono.ts",
    "test/mutation/each-mutant.ts",
    // Started by hand: docs/dependencies.md.
    "scripts/complete-lock.js",
    // Read by the compiler alone.
    "test/types/*.ts",
  ],
  ignoreIssues: {
    // Lines that must not compile; the compiler refuses a value that is neither used nor exported.
    "test/types/*.ts": ["exports"],
  },
  ignoreDependencies: [
    // Named by their folders in scripts/build.ts and scripts/check.ts.
    "swagger-ui-dist",
    "typescript7",
  ],
  // Programs of the system, which no package brings.
  ignoreBinaries: ["mount", "nvidia-smi", "script", "systemd-analyze", "umount", "unshare"],
  project: ["{bin,src,scripts,bench,test}/**/*.{ts,js}", "*.{ts,cjs}", "!test/fixtures/{arrows,banned}/**"],
  includeEntryExports: true,
  treatConfigHintsAsErrors: true,
};

export default config;
