import { afterEach, describe, expect, it } from "vitest";
import { problemSchema } from "../../src/contract/problem.ts";
import { StoreError } from "../../src/core/errors.ts";
import { createVirtualClock } from "../../src/core/virtual-clock.ts";
import { chooseProtocol } from "../../src/server/safety/socket-protocols.ts";
import { createServerWorld, type ServerWorld, type WorldOptions } from "./server-world.ts";

let world: ServerWorld;
const start = (options: WorldOptions = {}): ServerWorld => {
  world = createServerWorld(createVirtualClock(), options);
  return world;
};
afterEach(() => world.close());

const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  world.app.request(path, { method, headers });
const codeOf = async (answer: Response): Promise<string> => problemSchema.parse(await answer.json()).code;

describe("host", () => {
  it.each(["evil.example", "evil.example:9000", "localhost.evil.example", "127.0.0.1.nip.io", "127.0.0.2", ""])(
    "refuses Host %s before routing",
    async (host) => {
      start();
      for (const path of ["/livez", "/", "/no/such/address"]) {
        const answer = await ask(path, { host });
        expect([answer.status, await codeOf(answer)]).toEqual([421, "HOST_REFUSED"]);
      }
    },
  );

  it.each(["localhost", "LOCALHOST:1", "127.0.0.1:9000", "[::1]:9000", "video.example", "video.example.:443"])(
    "serves Host %s",
    async (host) => {
      start({ allowedHosts: ["video.example"] });
      expect((await ask("/livez", { host })).status).toBe(200);
    },
  );

  it("refuses a foreign name in the request's own address", async () => {
    start();
    expect((await ask("http://evil.example/livez", { host: "localhost" })).status).toBe(421);
  });
});

describe("origin", () => {
  const own = { host: "localhost:9000" };
  it.each([
    ["another site", { origin: "https://evil.example" }],
    ["another port", { origin: "http://localhost:3000" }],
    ["no origin that a page would tell", { origin: "null" }],
    ["an origin that is no address", { origin: "localhost:9000" }],
    ["a page of the same site", { "sec-fetch-site": "same-site" }],
    ["a foreign page", { "sec-fetch-site": "cross-site" }],
    ["a foreign page that shows our origin", { origin: "http://localhost:9000", "sec-fetch-site": "cross-site" }],
  ])("refuses what changes something from %s", async (_what, headers) => {
    start();
    for (const path of ["/api/v1/generation/submit", "/api/v1/recovery/reset", "/api/v1/simulator/kill"]) {
      const answer = await ask(path, { ...own, ...headers }, "POST");
      expect([answer.status, await codeOf(answer)]).toEqual([403, "ORIGIN_REFUSED"]);
    }
    const socket = await ask("/ws", { ...own, ...headers, upgrade: "websocket" });
    expect(socket.status).toBe(403);
  });

  it.each([
    [{}],
    [{ origin: "http://localhost:9000" }],
    [{ origin: "http://localhost:9000", "sec-fetch-site": "same-origin" }],
    [{ "sec-fetch-site": "none" }],
  ])("serves its own page and programs: %o", async (headers) => {
    start();
    expect((await ask("/api/v1/recovery/reset", { ...own, ...headers }, "POST")).status).toBe(200);
  });

  it("lets an allowed origin call, and tells its browser so", async () => {
    start({ allowedOrigins: ["https://studio.example"] });
    const headers = { ...own, origin: "https://studio.example", "sec-fetch-site": "cross-site" };
    const preflight = await ask(
      "/api/v1/generation/submit",
      { ...headers, "access-control-request-method": "POST" },
      "OPTIONS",
    );
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([
      204,
      "https://studio.example",
    ]);
    const answer = await ask("/api/v1/recovery/reset", headers, "POST");
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, "https://studio.example"]);
    expect((await ask("/api/v1/recovery/reset", { ...own, origin: "https://other.example" }, "POST")).status).toBe(403);
  });
});

describe("key", () => {
  const apiKey = "correct horse battery";
  it("refuses everything but probes and the page's files without it, and says how to send it", async () => {
    start({ apiKey });
    for (const path of ["/api/v1/queue", "/api/v1/events", "/no/such/address"]) {
      const answer = await ask(path);
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="Understudy"']);
      expect(await codeOf(answer)).toBe("UNAUTHENTICATED");
    }
    for (const path of ["/", "/page.js", "/livez", "/readyz", "/health"]) expect((await ask(path)).status).toBe(200);
  });

  it.each(["", "Bearer", "Bearer wrong", `Bearer ${apiKey} `, `Bearer ${apiKey}x`, "Basic !!!", `Digest ${apiKey}`])(
    "refuses Authorization: %s",
    async (authorization) => {
      start({ apiKey: "a-long-enough-key" });
      expect((await ask("/api/v1/queue", { authorization })).status).toBe(401);
    },
  );

  it("takes it as bearer token, and never as what a browser sends by itself", async () => {
    start({ apiKey: "a-long-enough-key" });
    expect((await ask("/api/v1/queue", { authorization: "Bearer a-long-enough-key" })).status).toBe(200);
    expect((await ask("/api/v1/queue", { authorization: `Basic ${btoa("anybody:a-long-enough-key")}` })).status).toBe(
      401,
    );
  });
});

describe("a key among the protocols of a WebSocket", () => {
  const apiKey = "schlüssel, mit allem: +/=";
  const carrying = (key: string) => `understudy, understudy.key.${Buffer.from(key).toString("base64url")}`;
  const upgrade = (headers: Record<string, string>) => ask("/ws", { upgrade: "websocket", ...headers });
  it("opens what an upgrade asks for, and nothing else", async () => {
    start({ apiKey });
    // Without a socket nothing can be upgraded: 426 says that the route itself was reached.
    expect((await upgrade({ "sec-websocket-protocol": carrying(apiKey) })).status).toBe(426);
    expect((await ask("/api/v1/queue", { "sec-websocket-protocol": carrying(apiKey) })).status).toBe(401);
  });

  it.each([carrying("another key"), "understudy", "understudy.key.", "", "understudy.key.%%%"])(
    "refuses %s",
    async (protocols) => {
      start({ apiKey });
      expect((await upgrade({ "sec-websocket-protocol": protocols })).status).toBe(401);
    },
  );

  it("does not stand in for a header that is wrong", async () => {
    start({ apiKey });
    expect((await upgrade({ authorization: "Bearer wrong", "sec-websocket-protocol": carrying(apiKey) })).status).toBe(
      401,
    );
  });

  it("is never answered", () => {
    expect(chooseProtocol(new Set([`understudy.key.${btoa("k")}`, "understudy"]))).toBe("understudy");
    expect(chooseProtocol(new Set([`understudy.key.${btoa("k")}`]))).toBe(false);
  });
});

describe("one caller", () => {
  const rateLimit = { perSecond: 2, burstCount: 3 };
  const statuses = async (count: number, headers: Record<string, string> = {}): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: count }, () => ask("/api/v1/queue", headers)));
    return answers.map((answer) => answer.status);
  };

  it("may ask as often as the limit says, and is told when to come back", async () => {
    const clock = createVirtualClock();
    world = createServerWorld(clock, { rateLimit });
    expect(await statuses(3)).toEqual([200, 200, 200]);
    const refused = await ask("/api/v1/queue");
    expect([refused.status, refused.headers.get("retry-after"), await codeOf(refused)]).toEqual([
      429,
      "1",
      "RATE_LIMITED",
    ]);
    await clock.advance(1_000);
    expect(await statuses(3)).toEqual([200, 200, 429]);
  });

  it("takes nothing from another", async () => {
    start({ rateLimit, apiKey: "a-long-enough-key" });
    expect(await statuses(4)).toEqual([401, 401, 401, 429]);
    expect(await statuses(4, { authorization: "Bearer a-long-enough-key" })).toEqual([200, 200, 200, 429]);
  });
});

describe("a refused page", () => {
  it("is told the flag that lets it in, and so is the operator", async () => {
    start();
    const headers = { host: "localhost:9000", origin: "http://localhost:3000" };
    const preflight = await ask("/api/v1/queue", { ...headers, "access-control-request-method": "GET" }, "OPTIONS");
    const answer = await ask("/api/v1/recovery/reset", headers, "POST");
    for (const refused of [preflight, answer]) {
      expect(refused.status).toBe(403);
      expect(problemSchema.parse(await refused.json()).detail).toContain("--allow-origin http://localhost:3000");
    }
    expect(world.refusedOrigins).toEqual(["http://localhost:3000", "http://localhost:3000"]);
  });

  it("cannot put a text of its own into answer or log", async () => {
    start();
    const answer = await ask(
      "/api/v1/recovery/reset",
      { host: "localhost", origin: "http://evil.example/<script>" },
      "POST",
    );
    expect([answer.status, (await answer.text()).includes("script")]).toEqual([403, false]);
    expect(world.refusedOrigins).toEqual([]);
  });
});

describe("an operator's call", () => {
  it("leaves one row that says who called what, and a refused one none", async () => {
    start({ apiKey: "a-long-enough-key" });
    const authorization = "Bearer a-long-enough-key";
    await ask("/api/v1/recovery/reset", { authorization }, "POST");
    await ask("/api/v1/queue/nothing/cancel", { authorization }, "POST");
    await ask("/api/v1/recovery/reset", {}, "POST");
    await ask("/api/v1/queue", { authorization });
    await world.store.events.flush();
    const rows = await world.store.events.findKinds({ of: { kinds: ["api.called"] }, limit: 100 });
    expect(rows.map(({ actor, data }) => [actor, data.method, data.route, data.status])).toEqual([
      ["operator:environment", "POST", "/api/v1/recovery/reset", 200],
    ]);
    expect(JSON.stringify(rows)).not.toContain("a-long-enough-key");
  });
});

describe("bodies and methods", () => {
  it("refuses a body above 12 MB, with its length told or not", async () => {
    start();
    const headers = { "content-type": "application/json" };
    const body = new Uint8Array(12 * 1024 * 1024 + 1);
    const told = await world.app.request("/api/v1/generation/submit", {
      method: "POST",
      headers: { ...headers, "content-length": String(body.length) },
      body,
    });
    expect([told.status, await codeOf(told)]).toEqual([413, "BODY_TOO_LARGE"]);
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue(body);
        controller.close();
      },
    });
    const untold = await world.app.request("/api/v1/generation/submit", {
      method: "POST",
      headers,
      body: stream,
      duplex: "half",
    } as RequestInit);
    expect(untold.status).toBe(413);
  });

  it.each([
    ["DELETE", "/api/v1/queue", "GET, HEAD"],
    ["GET", "/api/v1/generation/submit", "POST"],
    ["PUT", "/api/v1/outputs/x/video", "GET, HEAD"],
    ["GET", "/api/v1/queue/x/cancel", "POST"],
  ])("answers 405 to %s %s and says what it takes", async (method, path, allow) => {
    start();
    const answer = await ask(path, {}, method);
    expect([answer.status, answer.headers.get("allow"), await codeOf(answer)]).toEqual([
      405,
      allow,
      "METHOD_NOT_ALLOWED",
    ]);
  });

  it("answers 404 as a problem to what does not exist", async () => {
    start();
    for (const path of [
      "/nothing",
      "/api/v1",
      "/api/v1/queue/",
      "//",
      "/%zz",
      "/page.js/../../x",
      `/${"x".repeat(5_000)}`,
    ]) {
      const answer = await ask(path);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
    }
  });
});

describe("every answer", () => {
  it("carries the request's id and the security headers, also when it refuses", async () => {
    start();
    for (const [path, headers] of [
      ["/livez", {}],
      ["/nothing", {}],
      ["/api/v1/queue", { host: "evil.example" }],
      ["/", {}],
    ] as const) {
      const answer = await ask(path, { ...headers, "x-request-id": "abc-1" });
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        "x-request-id": "abc-1",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "content-security-policy": expect.stringMatching(/^default-src 'self';/),
      });
    }
  });

  it("makes an id of its own where the given one could do harm", async () => {
    start();
    expect((await ask("/livez", { "x-request-id": "a b\tc" })).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect((await ask("/livez")).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("defects", () => {
  it("shows no stack and no message of a defect, and records it once", async () => {
    start();
    world.ports.jobs.counts = async () => {
      throw new TypeError("cannot read /home/me/secret.db");
    };
    const answer = await ask("/api/v1/queue");
    const text = await answer.text();
    expect(answer.status).toBe(500);
    expect(text).not.toMatch(/secret|TypeError|\bat\b.*\.ts/);
    expect(problemSchema.parse(JSON.parse(text)).code).toBe("INTERNAL_ERROR");
    expect(world.defects).toHaveLength(1);
  });

  it("answers 503 with Retry-After while the store cannot write, which is no defect", async () => {
    start();
    world.ports.admission.submit = async () => {
      throw new StoreError("STORE_UNAVAILABLE", "The disk is full.", {
        retryable: true,
        details: { retryAfterMs: 900_000 },
      });
    };
    const answer = await world.submit();
    expect([answer.status, answer.headers.get("retry-after"), world.defects.length]).toEqual([503, "60", 0]);
  });
});
