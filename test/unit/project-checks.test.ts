import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { findUnreadFields, listFieldPaths, namesReadIn } from "../../scripts/check-config-read.ts";
import { renderContract, renderErrors, renderSettings } from "../../scripts/generate-docs.ts";
import { parse } from "../../scripts/rules/banned-forms.ts";
import { errorCodes } from "../../src/core/error-codes.ts";

const root = new URL("../../", import.meta.url).pathname;
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const scripts = (JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> }).scripts;

describe("settings that nobody reads", () => {
  const config = { port: 1, disk: { minFreeBytes: 2 }, workers: [{ id: "a", speed: 1 }] };

  it("are found, in groups and lists too", () => {
    expect(listFieldPaths(config)).toEqual([
      "port",
      "disk",
      "disk.minFreeBytes",
      "workers",
      "workers[].id",
      "workers[].speed",
    ]);
    const text =
      "const { port } = config; use(config.disk.minFreeBytes, config['workers'].map((worker) => worker.id));";
    expect(findUnreadFields(listFieldPaths(config), [{ path: "src/app/serve.ts", text }])).toEqual(["workers[].speed"]);
  });

  it("a type, a comment or a text that names a setting does not read it", () => {
    expect([
      ...namesReadIn(
        "a.ts",
        'interface A { port: number } // config.port\nconst text = "config.port"; const made = { port: 1 };',
      ),
    ]).toEqual([]);
  });
});

describe("generated documents", () => {
  it("are current", () => {
    expect(read("docs/errors.md")).toBe(renderErrors(errorCodes));
    expect(read("docs/configuration.md")).toBe(renderSettings());
    expect(read("docs/openapi.json")).toBe(renderContract());
  });

  it("every setting says what it is", () => {
    const rows = renderSettings()
      .split("\n")
      .filter((line) => line.startsWith("| `"));
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter((row) => /\|\s*\|$/.test(row))).toEqual([]);
  });
});

describe("the documents", () => {
  const folders = ["", "docs/", "visualizations/"];
  const pages = folders.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}${name}`),
  );

  it("are all looked at", () => {
    expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/tour.md", "visualizations/README.md"]));
  });

  it.each(pages)("%s links to files that exist", (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? "");
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  it.each(pages)("%s gives commands that exist", (page) => {
    const names = [...read(page).matchAll(/npm run (?:--silent )?([\w:]+)/g)].map((match) => match[1] ?? "");
    const files = [...read(page).matchAll(/npx vitest(?: run)? ([^`\n]+)/g)].flatMap((match) =>
      (match[1] ?? "").split(" "),
    );
    expect(names.filter((name) => scripts[name] === undefined)).toEqual([]);
    expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("every dependency has its line, and no line is about a package that is gone", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Readonly<
      Record<string, Readonly<Record<string, string>>>
    >;
    const [, table = ""] = read("docs/dependencies.md").split("## At run time");
    const rows = table
      .split("\n")
      .filter((line) => line.startsWith("| ") && !line.startsWith("| package"))
      .map((line) => line.split("|")[1] ?? "");
    const named = rows.flatMap((cell) => cell.split(",")).map((cell) => cell.replace(/\(.*\)/, "").trim());
    expect(named.toSorted()).toEqual(Object.keys({ ...dependencies, ...devDependencies }).toSorted());
  });

  it("architecture, rules and contributing fit on two pages each", () => {
    for (const page of ["ARCHITECTURE.md", "AGENTS.md", "CONTRIBUTING.md"])
      expect(read(page).split("\n").length).toBeLessThanOrEqual(150);
  });
});

describe("the scripts of package.json", () => {
  it("name files that exist", () => {
    const files = Object.values(scripts).flatMap((command) => command.match(/\S+\.(?:ts|js)\b/g) ?? []);
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("are started by the one file that looks at Node.js first", () => {
    const needing = Object.values(scripts)
      .flatMap((command) => command.split(" && "))
      .filter((step) => /\.ts\b|bin\/|vitest/.test(step));
    expect(needing.length).toBeGreaterThan(20);
    expect(needing.filter((step) => !step.startsWith("node scripts/run.js "))).toEqual([]);
  });

  it("are few", () => {
    expect(Object.keys(scripts).length).toBeLessThanOrEqual(25);
  });

  it("run the tests of projects that there are, and no other than main without asking", () => {
    const asked = Object.values(scripts).flatMap((command) => [...command.matchAll(/vitest run(.*)/g)]);
    expect(asked.map(([, rest = ""]) => /^ --project (\S+)$/.exec(rest)?.[1]).toSorted()).toEqual([
      "browser",
      "drills",
      "durability",
      "main",
      "openai",
      "operations",
      "package",
      "worker-drills",
    ]);
    expect(scripts["test"]).toMatch(/vitest run --project main$/);
  });

  it("the test command that CI runs is the one of the README", () => {
    const command = "npm ci && npm test";
    expect(read("README.md")).toContain(`\n${command}\n`);
    expect(read(".ci/run")).toContain(command);
  });
});

describe("an old Node.js", () => {
  const makeFolder = (): string => mkdtempSync(join(tmpdir(), "understudy-old-"));

  /** The same files under a process that says that it is Node.js 18. */
  const runAsOld = (path: string, ...args: readonly string[]) => {
    const folder = makeFolder();
    const disguise = join(folder, "old.cjs");
    writeFileSync(
      disguise,
      'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.0.0" } });\nprocess.execve = undefined;\n',
    );
    try {
      return spawnSync(process.execPath, ["--require", disguise, path, ...args], { encoding: "utf8" });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const expectOneSentence = ({ status, stderr }: { readonly status: number | null; readonly stderr: string }): void => {
    expect(status).toBe(1);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/needs Node\.js 24/);
  };

  it("bin/understudy.js says in one sentence which one is needed", () => {
    expectOneSentence(runAsOld(join(root, "bin", "understudy.js")));
  });

  it("scripts/run.js hands over to the project's own, with arguments and exit code", () => {
    const folder = makeFolder();
    const script = join(folder, "script.ts");
    writeFileSync(
      script,
      "const typed: readonly string[] = process.argv.slice(2);\nconsole.log(process.versions.node, ...typed);\nprocess.exitCode = 7;\n",
    );
    const { status, stdout } = runAsOld(join(root, "scripts", "run.js"), script, "--seed", "a b");
    expect([status, stdout]).toEqual([7, `${process.versions.node} --seed a b\n`]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("scripts/run.js says in one sentence which one is needed where the project's own is not installed", () => {
    const folder = makeFolder();
    mkdirSync(join(folder, "scripts"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    copyFileSync(join(root, "scripts", "run.js"), join(folder, "scripts", "run.js"));
    expectOneSentence(runAsOld(join(folder, "scripts", "run.js"), "scripts/check.ts"));
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(["bin/understudy.js", "scripts/run.js"])("%s uses no syntax newer than Node.js 12", (path) => {
    const text = read(path);
    expect(parse(path, text).statements.length).toBeGreaterThan(1);
    expect(text).not.toMatch(/\?\.[a-z(]|\?\?|#\w+\s*[=(;]|\bawait\b|&&=|\|\|=/);
  });
});

describe("floating promises", () => {
  it("are refused by the linter", () => {
    const folder = mkdtempSync(join(root, "src", "config", "lint-"));
    const path = join(folder, "example.ts");
    writeFileSync(
      path,
      "const work = async (): Promise<void> => undefined;\n\nexport function start(): void {\n  work();\n}\n",
    );
    try {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ["node_modules/@biomejs/biome/bin/biome", "lint", path],
        {
          cwd: root,
          encoding: "utf8",
        },
      );
      expect(status).toBe(1);
      expect(`${stdout}${stderr}`).toContain("noFloatingPromises");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("dead code", () => {
  it("is found: an export that nothing imports, and a file that no program reaches", () => {
    const folder = mkdtempSync(join(root, "test", "dead-code-"));
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
    write("planted.test.ts", 'import { wanted } from "./planted.ts";\n\nconsole.log(wanted);\n');
    write("planted.ts", "export const wanted = 1;\nexport const unwanted = 2;\nexport type Unwanted = string;\n");
    write("stray.ts", "console.log(1);\n");
    try {
      const { status, stdout } = spawnSync(process.execPath, ["node_modules/knip/bin/knip.js", "--reporter", "json"], {
        cwd: root,
        encoding: "utf8",
      });
      const { issues } = JSON.parse(stdout) as {
        readonly issues: readonly Readonly<Record<string, readonly { readonly name: string }[]>>[];
      };
      const foundBy = (kind: string) => issues.flatMap((issue) => (issue[kind] ?? []).map(({ name }) => name));
      expect(status).toBe(1);
      expect(foundBy("exports")).toEqual(["unwanted"]);
      expect(foundBy("types")).toEqual(["Unwanted"]);
      expect(foundBy("files")).toEqual([relative(root, join(folder, "stray.ts"))]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("files that are started by their name", () => {
  it.each(["bin/understudy.js", ".ci/run"])("%s may be executed", (path) => {
    expect(statSync(join(root, path)).mode & 0o111).toBe(0o111);
  });
});
