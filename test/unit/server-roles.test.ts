import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatKeyText } from "../../src/core/key-text.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { type AccessRole, accessRoles, type KeyRole, keyRoles } from "../../src/core/words.ts";
import { rolesOf } from "../../src/server/safety/access.ts";
import { createServerWorld, type ServerWorld } from "./server-world.ts";

/** Every route of the application, with every kind of caller. */
const callers = ["no key", "wrong key", "foreign key", ...keyRoles] as const;
type Caller = (typeof callers)[number];

const keyOfRole = (role: KeyRole): string =>
  formatKeyText({ id: `${keyRoles.indexOf(role)}`.repeat(12), secret: `${keyRoles.indexOf(role)}a`.repeat(32) });
const rightId = (text: string): string => text.replace(/[0-9a-f]{64}$/, "f".repeat(64));

const authorizationOf = (caller: Caller): string | null => {
  if (caller === "no key") return null;
  if (caller === "wrong key") return "Bearer no-such-key";
  if (caller === "foreign key") return `Bearer ${rightId(keyOfRole("operator"))}`;
  return `Bearer ${keyOfRole(caller)}`;
};

let world: ServerWorld;
let routes: readonly { readonly method: string; readonly path: string; readonly role: AccessRole }[] = [];
beforeAll(async () => {
  world = createServerWorld(createVirtualClock());
  for (const role of keyRoles) {
    const [, id = "", secret = ""] = keyOfRole(role).split("_");
    await world.store.keys.create(
      { id, role, label: "", digest: createHash("sha256").update(secret).digest("hex") },
      "operator:test",
    );
  }
  routes = [...rolesOf(world.app)].map(([name, role]) => {
    const [method = "", path = ""] = name.split(" ");
    return { method, path, role };
  });
});
afterAll(() => world.close());

async function statusFor(method: string, path: string, caller: Caller): Promise<number> {
  const authorization = authorizationOf(caller);
  const address = path.replaceAll(/:\w+/g, "nothing");
  const answer = await world.app.request(address, { method, headers: authorization === null ? {} : { authorization } });
  await answer.body?.cancel();
  return answer.status;
}

const mayCall = (caller: Caller, needed: AccessRole): boolean => {
  if (needed === "open") return true;
  return (
    keyRoles.some((role) => role === caller) && accessRoles.indexOf(caller as AccessRole) >= accessRoles.indexOf(needed)
  );
};

describe("every route", () => {
  it("answers each caller as its role allows, and the table shows it", async () => {
    const lines: string[] = [];
    const wrong: string[] = [];
    for (const { method, path, role } of routes) {
      const statuses: number[] = [];
      for (const caller of callers) {
        const status = await statusFor(method, path, caller);
        const isRefused = status === 401 || status === 403;
        if (isRefused === mayCall(caller, role)) wrong.push(`${method} ${path} answers ${status} to ${caller}`);
        if (!mayCall(caller, role)) expect(status).toBe(keyRoles.some((known) => known === caller) ? 403 : 401);
        statuses.push(status);
      }
      lines.push(`${`${method} ${path}`.padEnd(52)} ${role.padEnd(10)} ${statuses.join("  ")}`);
    }
    process.stdout.write(`${"route".padEnd(52)} ${"needs".padEnd(10)} ${callers.join(", ")}\n${lines.join("\n")}\n`);
    expect(wrong).toEqual([]);
    expect(routes.length).toBeGreaterThan(10);
  });

  it("has a definition with a role", () => {
    const defined = new Set(routes.map(({ method, path }) => `${method} ${path}`));
    const served = world.app.routes.filter(({ method, path }) => method !== "ALL" && !path.includes("*"));
    expect(served.map(({ method, path }) => `${method} ${path}`).filter((name) => !defined.has(name))).toEqual([]);
  });
});
