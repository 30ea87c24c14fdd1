/** Compiles src to dist for the package, and copies what is not TypeScript: `npm run build`. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { isTypeScript, listFiles } from "./rules/source-files.ts";

const root = new URL("..", import.meta.url).pathname;
const compiler = join(root, "node_modules", "typescript7", "bin", "tsc");

rmSync(join(root, "dist"), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) {
  console.error("build: the compiler found errors");
  process.exit(1);
}
const assets = listFiles(root, ["src"], (path) => !isTypeScript(path) && !path.endsWith(".d.ts"));
for (const asset of assets) {
  const target = join(root, asset.replace(/^src\//, "dist/"));
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, asset), target);
}
// Swagger UI is a package of developers; its two files and their licence go into ours.
const swagger = join(root, "node_modules", "swagger-ui-dist");
const swaggerFiles = [
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "swagger-ui.css",
  "LICENSE",
  "NOTICE",
];
mkdirSync(join(root, "dist", "server", "swagger-ui"), { recursive: true });
for (const name of swaggerFiles) cpSync(join(swagger, name), join(root, "dist", "server", "swagger-ui", name));
console.log(`build: dist is ready, ${assets.length} assets copied`);
