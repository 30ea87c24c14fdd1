/** What bash is given by `understudy completion bash`, in a real bash with the real program. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";

const launcher = new URL("../../bin/understudy.js", import.meta.url).pathname;

function proposedFor(...words: readonly string[]): readonly string[] {
  const script = `
    understudy() { "${process.execPath}" "${launcher}" "$@"; }
    eval "$(understudy completion bash)"
    COMP_WORDS=(understudy "$@"); COMP_CWORD=$#
    _understudy
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout } = spawnSync("bash", ["-c", script, "bash", ...words], { encoding: "utf8" });
  expect(status).toBe(0);
  return stdout.split("\n").filter((line) => line !== "");
}

describe("completion in bash", () => {
  it("proposes commands, flags and values", () => {
    expect(proposedFor("mod")).toEqual(["models"]);
    expect(proposedFor("models", "pull", "--any")).toEqual(["--anyway"]);
    expect(proposedFor("jobs", "submit", "a red fox", "--fallback", "stand_in_")).toEqual(["stand_in_then_real"]);
  });

  it("leaves the names of files to bash", () => {
    expect(proposedFor("jobs", "submit", "fox", "--image", "")).toEqual([]);
  });
});
