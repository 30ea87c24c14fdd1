/**
 * Makes a few files of the service's programs, which start in a fraction of the time of several hundred: `main.js`, and each
 * program of its own process or thread where its source lies, with what they share beside them. Packages are in those files,
 * but for the dependencies of package.json, which are found where they were installed.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin, rolldown } from "rolldown";
import { isTypeScript, listFiles } from "./rules/source-files.ts";

const isProgram = (path: string): boolean =>
  /^src\/(?:main|workers\/simulator\/main|.*-(?:child|thread))\.ts$/.test(path);
const withoutEnds = (path: string): string => path.replace(/^src\//, "").replace(/\.ts$/, "");
const inSlashes = (path: string): string => path.split(sep).join("/");

/** The one module that asks for the package and not for what lies beside itself. */
const packageRootModule = "src/core/package-root.ts";

/**
 * Modules find assets and programs by where they lie themselves. In the bundle each one still believes to lie where it did,
 * below the folder of the bundle.
 */
function keepPlaces(root: string, outDir: string): Plugin {
  const mark = (path: string): string => `__place_of:${path}__`;
  const placeOf = (path: string): string =>
    path === packageRootModule ? join(root, path) : join(outDir, `${withoutEnds(path)}.js`);
  return {
    name: "keep-places",
    transform(code, id) {
      const path = inSlashes(relative(root, id));
      if (!path.startsWith("src/") || !code.includes("import.meta.url")) return null;
      const url = `new URL(${JSON.stringify(mark(path))}, import.meta.url).href`;
      return { code: code.replaceAll("import.meta.url", url), map: null };
    },
    renderChunk(code, { fileName }) {
      const from = dirname(join(outDir, fileName));
      const placed = code.replace(/__place_of:(.+?)__/g, (_mark, path: string) => {
        const way = inSlashes(relative(from, placeOf(path)));
        return way.startsWith(".") ? way : `./${way}`;
      });
      return placed === code ? null : { code: placed, map: null };
    },
  };
}

/** zod brings its sentences in fifty languages, and each start would read them all; the service speaks English alone. */
const onlyEnglish: Plugin = {
  name: "only-english",
  load: (id) =>
    /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/.test(id) ? 'export { default as en } from "./en.js";' : null,
};

/** One letter beyond ASCII makes the whole text of a file twice as large in memory, and each start slower. */
const inAscii = (code: string): string =>
  code.replace(/[\u0080-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** `node_modules/a/node_modules/@b/c/d.js` → `node_modules/a/node_modules/@b/c` */
const packageOf = (path: string): string | undefined =>
  /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];

/** The licences of the packages that are in the bundle, in one text. */
function licencesOf(root: string, modulePaths: readonly string[]): string {
  const folders = new Set(modulePaths.map(packageOf).filter((folder) => folder !== undefined));
  const texts = [...folders].toSorted().map((folder) => {
    const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as {
      readonly name: string;
      readonly version: string;
      readonly license: string;
      readonly author?: string | { readonly name: string };
    };
    const files = readdirSync(join(root, folder)).filter((file) => /^(?:licen[cs]e|notice)/i.test(file));
    const bodies = files.map((file) => readFileSync(join(root, folder, file), "utf8").trim());
    const by = typeof author === "object" ? author.name : (author ?? `the authors of ${name}`);
    // Some packages bring no text; their licence asks for the name at least.
    return [`${name} ${version} (${license})`, ...(bodies.length === 0 ? [`Copyright (c) ${by}`] : bodies)].join(
      "\n\n",
    );
  });
  return `Packages that are part of these files, and their licences.\n\n${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

function copyAssets(root: string, outDir: string): void {
  for (const asset of listFiles(root, ["src"], (path) => !isTypeScript(path) && !path.endsWith(".d.ts"))) {
    const target = join(outDir, asset.replace(/^src\//, ""));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(root, asset), target);
  }
}

export interface BundleOrder {
  /** The folder of package.json. */
  readonly root: string;
  /** The folder is absolute, lies below the root, and is empty. */
  readonly outDir: string;
}

export async function bundle({ root, outDir }: BundleOrder): Promise<void> {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const outside = Object.keys(dependencies);
  const building = await rolldown({
    cwd: root,
    platform: "node",
    input: Object.fromEntries(listFiles(root, ["src"], isProgram).map((path) => [withoutEnds(path), path])),
    external: (id) => outside.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [keepPlaces(root, outDir), onlyEnglish],
  });
  const { output } = await building.write({
    dir: outDir,
    format: "esm",
    chunkFileNames: "[name]-[hash].js",
    // The licences lie beside the files; other comments would only be read at each start.
    comments: { legal: true, annotation: false, jsdoc: false },
    // Only `node --enable-source-maps` reads them, which costs memory and time: a stack then names the files of src.
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  await building.close();
  for (const { type, fileName } of output) {
    const path = join(outDir, fileName);
    if (type === "chunk") writeFileSync(path, inAscii(readFileSync(path, "utf8")));
  }
  const modulePaths = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
  writeFileSync(
    join(outDir, "LICENSES.txt"),
    licencesOf(
      root,
      modulePaths.map((path) => inSlashes(relative(root, path))).filter((path) => existsSync(join(root, path))),
    ),
  );
  copyAssets(root, outDir);
}

if (import.meta.main) {
  const [, , outDir = ""] = process.argv;
  await bundle({ root: fileURLToPath(new URL("..", import.meta.url)), outDir: resolve(outDir) });
}
