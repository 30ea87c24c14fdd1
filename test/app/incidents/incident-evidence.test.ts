import { homedir } from "node:os";
import { describe, expect, it } from "vitest";
import { sanitise, sanitiseText } from "../../../src/app/incidents/incident-evidence.ts";

describe("evidence that is kept", () => {
  it.each([
    ["cannot open /home/ada/models/wan/t2v.safetensors: damaged", "cannot open ~/t2v.safetensors: damaged"],
    ['File "/root/secret/run.py", line 3', 'File "~/run.py", line 3'],
    ["/Users/ada", "~"],
    [`${homedir()}/videos/a.mp4 is gone`, "~/a.mp4 is gone"],
    ["pipe(prompt='a red fox runs')", "pipe(prompt=[hidden])"],
    ['{"prompt": "a red fox", "steps": 4}', '{"prompt": [hidden], "steps": 4}'],
    ["Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"],
    ["token=4f7c and hf_abcdefghijkl", "token=[hidden] and [hidden]"],
    ["socket 0123456789abcdef0123456789abcdef", "socket [hidden]"],
    ["CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA out of memory. Tried to allocate 2.00 GiB"],
    ["/var/lib/understudy/run/worker-0.log", "/var/lib/understudy/run/worker-0.log"],
  ])("%s", (text, clean) => {
    expect(sanitiseText(text)).toBe(clean);
    expect(sanitiseText(clean)).toBe(clean);
  });

  it("has of a log only the lines that tell of a failure, the last twenty", () => {
    const log = ["Rendering a red fox", ...Array.from({ length: 30 }, (_, n) => `RuntimeError ${n}`)].join("\n");
    const { logTail } = sanitise({ logTail: log }) as { logTail: string };
    expect(logTail.split("\n")).toHaveLength(20);
    expect(logTail).toContain("RuntimeError 29");
    expect(logTail).not.toContain("fox");
  });

  it("has errors by name and message, and nothing that JSON cannot hold", () => {
    expect(
      JSON.parse(JSON.stringify(sanitise({ error: new TypeError("no /home/a/b"), call: () => 1, list: [1, null] }))),
    ).toEqual({
      error: { name: "TypeError", message: "no ~/b" },
      list: [1, null],
    });
  });
});
