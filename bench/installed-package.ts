/**
 * Installs this checkout as a user would get it, for benches that must measure the packed files and not the sources.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("..", import.meta.url));

export interface InstalledPackage {
  /** The command of the package. */
  readonly launcher: string;
  remove(): void;
}

/** Packs this checkout and installs it in a folder of its own, as somebody else does. */
export function installPackage(): InstalledPackage {
  const folder = mkdtempSync(join(tmpdir(), "understudy-bench-"));
  const npm = (args: readonly string[], cwd: string): void => {
    execFileSync("npm", [...args], { cwd, stdio: ["ignore", "ignore", "inherit"] });
  };
  npm(["pack", "--silent", "--pack-destination", folder], project);
  const packed = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "somebody-elses", private: true }));
  npm(["install", "--silent", "--prefer-offline", "--no-audit", "--no-fund", join(folder, packed)], folder);
  return {
    launcher: join(folder, "node_modules", "understudyd", "bin", "understudy.js"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
