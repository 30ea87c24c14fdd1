/** Checks the types of src and bundles it into dist for the package, with all that is not TypeScript: `npm run build`. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const outDir = join(root, "dist");
const compiler = join(root, "node_modules", "typescript7", "bin", "tsc");

rmSync(outDir, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) {
  console.error("build: the compiler found errors");
  process.exit(1);
}
await bundle({ root, outDir });
// Swagger UI is a package of developers; its two files and their licence go into ours.
const swagger = join(root, "node_modules", "swagger-ui-dist");
const swaggerFiles = [
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "swagger-ui.css",
  "LICENSE",
  "NOTICE",
];
mkdirSync(join(outDir, "server", "swagger-ui"), { recursive: true });
for (const name of swaggerFiles) cpSync(join(swagger, name), join(outDir, "server", "swagger-ui", name));
console.log("build: dist is ready");
