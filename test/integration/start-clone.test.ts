import { spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const project = new URL("../../", import.meta.url).pathname;
let clone: string;

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), "understudy-clone-"));
  for (const path of ["bin", "src", "scripts", "package.json"])
    cpSync(join(project, path), join(clone, path), { recursive: true });
  symlinkSync(join(project, "node_modules"), join(clone, "node_modules"));
});

afterEach(() => rmSync(clone, { recursive: true, force: true }));

const command = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  spawnSync(process.execPath, [join(clone, "bin", "understudy.js"), ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
const bundles = (): readonly string[] => readdirSync(join(clone, ".cache", "start"));
const source = (): string => join(clone, "src", "main.ts");

/** The program says this instead of its version; of the same length for words of the same length. */
function edit(word: string): void {
  const text = readFileSync(source(), "utf8");
  writeFileSync(source(), text.replace(/(?<=process\.stdout\.write\().*(?=\\n`\))/, `\`${word}`));
}

describe("a clone's command", () => {
  it("bundles the sources once, and runs the bundle from then on", () => {
    edit("first");
    expect(command(["--version"]).stdout).toBe("first\n");
    const made = bundles();
    expect(made).toHaveLength(1);
    expect(command(["--version"]).stdout).toBe("first\n");
    expect(bundles()).toEqual(made);
  });

  it("runs a source that was edited, also one of the same size whose time was set back", () => {
    edit("first");
    expect(command(["--version"]).stdout).toBe("first\n");
    const { size, atime, mtime } = statSync(source());
    edit("other");
    utimesSync(source(), atime, mtime);
    expect(statSync(source())).toMatchObject({ size, mtime });
    expect(command(["--version"]).stdout).toBe("other\n");
    expect(bundles()).toHaveLength(1);
  });

  it("runs the sources as they are where they cannot be bundled, and says what is wrong with them", () => {
    writeFileSync(source(), `${readFileSync(source(), "utf8")}\nconst = 1;\n`);
    const { status, stderr } = command(["--version"]);
    expect(status).not.toBe(0);
    expect(stderr).toContain("src/main.ts");
    expect(bundles()).toEqual([]);
  });

  it("keeps the bundle out of which a process still runs", async () => {
    writeFileSync(source(), 'process.stdout.write("up");\nprocess.stdin.resume();\n');
    const child = spawn(process.execPath, [join(clone, "bin", "understudy.js")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const [running] = bundles();
    writeFileSync(source(), 'process.stdout.write("edited");\n');
    expect(command([]).stdout).toBe("edited");
    expect(bundles()).toContain(running);
    child.stdin.end();
    await ended;
    writeFileSync(source(), 'process.stdout.write("edited again");\n');
    expect(command([]).stdout).toBe("edited again");
    expect(bundles()).toHaveLength(1);
  });

  it("starts twice at once", async () => {
    edit("twice");
    const outputs = await Promise.all(
      [1, 2].map(async () => {
        const child = spawn(process.execPath, [join(clone, "bin", "understudy.js"), "--version"]);
        const chunks: Buffer[] = [];
        child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
        await new Promise((resolve) => child.once("close", resolve));
        return Buffer.concat(chunks).toString();
      }),
    );
    expect(outputs).toEqual(["twice\n", "twice\n"]);
    expect(bundles()).toHaveLength(1);
  });

  it("names the source's line in a stack, where Node.js is told to read source maps", () => {
    const text = readFileSync(source(), "utf8");
    writeFileSync(
      source(),
      `${text}\n`.replace("try {\n  process.exit", 'throw new Error("planted");\ntry {\n  process.exit'),
    );
    const line = text.split("\n").indexOf("try {") + 1;
    const { stderr } = command(["--version"], { NODE_OPTIONS: "--enable-source-maps" });
    expect(stderr).toContain("planted");
    expect(stderr).toContain(`src/main.ts:${line}`);
  });
});
