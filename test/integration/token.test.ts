import { spawnSync } from "node:child_process";
import { afterEach, expect, it } from "vitest";
import { endService, launcher, makeStateDir, startService } from "../harness/running-service.ts";

const open: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end();
});

const understudy = (stateDir: string, ...words: readonly string[]) =>
  spawnSync(process.execPath, [launcher, ...words, "--state-dir", stateDir], { encoding: "utf8" });

const statusWith = async (url: string, key: string | null, path = "/api/v1/queue", method = "GET"): Promise<number> => {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { connection: "close", ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
  });
  await answer.body?.cancel();
  return answer.status;
};

/** Each command is a process of its own, which takes seconds on a busy machine. */
const longestMs = 120_000;

it(
  "a key made beside the running service opens what its role allows, closes the rest, and opens nothing once revoked",
  async () => {
    const directory = makeStateDir();
    open.push(directory.remove);
    const service = await startService({ stateDir: directory.path });
    open.push(() => endService(service));
    expect(await statusWith(service.url, null)).toBe(200);
    const made = understudy(directory.path, "token", "create", "--role", "viewer", "--label", "studio");
    expect(made.status).toBe(0);
    const key = made.stdout.split("\n")[0] ?? "";
    expect(key).toMatch(/^us_[0-9a-f]{12}_[0-9a-f]{64}$/);
    await expect.poll(() => statusWith(service.url, null), { timeout: 10_000 }).toBe(401);
    expect(await statusWith(service.url, key)).toBe(200);
    expect(await statusWith(service.url, key, "/api/v1/recovery/reset", "POST")).toBe(403);
    const listed = understudy(directory.path, "token", "list").stdout;
    expect([listed.includes("studio"), listed.includes(key)]).toEqual([true, false]);
    const id = key.slice(3, 15);
    expect(understudy(directory.path, "token", "revoke", id).status).toBe(0);
    expect(understudy(directory.path, "token", "revoke", id).status).toBe(1);
    expect(await statusWith(service.url, key)).toBe(401);
  },
  longestMs,
);

it(
  "refuses a reachable address without a key, says how, and takes it with a key or where it is told to",
  async () => {
    const directory = makeStateDir();
    open.push(directory.remove);
    const serve = (...flags: readonly string[]) =>
      startService({ stateDir: directory.path, args: ["--host", "0.0.0.0", ...flags] });
    const refused = understudy(directory.path, "serve", "--host", "0.0.0.0", "--port", "0");
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringContaining("understudy token create --role operator"),
    ]);
    understudy(directory.path, "token", "create", "--role", "operator");
    const closed = await serve();
    open.push(() => endService(closed));
    expect(await statusWith(closed.url.replace("0.0.0.0", "127.0.0.1"), null)).toBe(401);
    await endService(closed);
    const loud = await serve("--insecure");
    open.push(() => endService(loud));
    await expect.poll(() => loud.output(), { timeout: 10_000 }).toContain("INSECURE");
    expect(await statusWith(loud.url.replace("0.0.0.0", "127.0.0.1"), null)).toBe(200);
  },
  longestMs,
);
