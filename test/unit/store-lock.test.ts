import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  lockStateDir,
  readSupervisorFile,
  removeSupervisorFile,
  writeSupervisorFile,
} from "../../src/store/state-lock.ts";

const holderPath = new URL("../fixtures/state-lock-holder.ts", import.meta.url).pathname;

let stateDir: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  stateDir = join(mkdtempSync(join(tmpdir(), "understudy-test-")), "state");
});
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
  rmSync(join(stateDir, ".."), { recursive: true, force: true });
});

async function startHolder(): Promise<ChildProcess> {
  child = spawn(process.execPath, ["--expose-gc", holderPath, stateDir], { stdio: ["pipe", "pipe", "inherit"] });
  if (child.stdout === null) throw new Error("the holder has no output");
  await once(child.stdout, "data");
  return child;
}

const tryLock = (): unknown => {
  try {
    lockStateDir(stateDir).release();
    return "locked";
  } catch (thrown) {
    return thrown;
  }
};

describe("the lock of a state directory", () => {
  it("refuses a second supervisor in one sentence that names the first", async () => {
    const holder = await startHolder();
    const refused = tryLock();
    expect(refused).toMatchObject({ name: "StoreError", code: "STATE_DIR_IN_USE" });
    expect((refused as Error).message).toContain(`pid ${holder.pid} at http://127.0.0.1:9000`);
    expect((refused as Error).message).not.toContain("\n");
  });

  it("is free at once when its holder was killed, and the address of the dead is forgotten", async () => {
    const holder = await startHolder();
    const exited = once(holder, "exit");
    holder.kill("SIGKILL");
    await exited;
    expect(readSupervisorFile(stateDir)).toMatchObject({ pid: holder.pid });
    const lock = lockStateDir(stateDir);
    expect(readSupervisorFile(stateDir)).toBeNull();
    expect(tryLock()).toMatchObject({ code: "STATE_DIR_IN_USE", message: expect.stringContaining("still starting") });
    lock.release();
  });

  it("is free when it was released", () => {
    const lock = lockStateDir(stateDir);
    expect(tryLock()).toMatchObject({ code: "STATE_DIR_IN_USE" });
    lock.release();
    expect(tryLock()).toBe("locked");
  });

  it("says in one sentence that a directory cannot be used", () => {
    writeFileSync(stateDir, "a file where a directory should be");
    const refused = tryLock();
    expect(refused).toMatchObject({ code: "STATE_DIR_UNUSABLE", message: expect.stringContaining(stateDir) });
    expect((refused as Error).message).toContain("--state-dir");
  });

  it("says so too when its own file is damaged", () => {
    mkdirSync(join(stateDir, "run"), { recursive: true });
    writeFileSync(join(stateDir, "run", "lock.db"), "no database ".repeat(1_000));
    expect(tryLock()).toMatchObject({ code: "STATE_DIR_UNUSABLE" });
  });
});

describe("the file that names the supervisor", () => {
  it("is read as it was written, until it is removed", () => {
    expect(readSupervisorFile(stateDir)).toBeNull();
    mkdirSync(join(stateDir, "run"), { recursive: true });
    writeSupervisorFile(stateDir, { pid: 12, address: "http://127.0.0.1:1" });
    writeSupervisorFile(stateDir, { pid: 13, address: "http://127.0.0.1:2" });
    expect(readSupervisorFile(stateDir)).toEqual({ pid: 13, address: "http://127.0.0.1:2" });
    removeSupervisorFile(stateDir);
    removeSupervisorFile(stateDir);
    expect(readSupervisorFile(stateDir)).toBeNull();
  });

  it("tells nothing when it is torn", () => {
    mkdirSync(join(stateDir, "run"), { recursive: true });
    writeFileSync(join(stateDir, "run", "supervisor.json"), '{"pid": 1');
    expect(readSupervisorFile(stateDir)).toBeNull();
  });
});
