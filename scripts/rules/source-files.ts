/** Lists the files that the checks of `npm run check` and the bundler look at, always in the same order. */
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Every file below the folders that `isWanted` accepts, relative to the root, with slashes, sorted. */
export function listFiles(
  root: string,
  folders: readonly string[],
  isWanted: (path: string) => boolean,
): readonly string[] {
  const found = folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }));
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter(isWanted)
    .toSorted();
}

export const isTypeScript = (path: string): boolean => path.endsWith(".ts") && !path.endsWith(".d.ts");

/** Whether a file is a fixture of the rules, which breaks them on purpose. */
export const isFixture = (path: string): boolean => /^test\/fixtures\/(?:banned|arrows)\//.test(path);
