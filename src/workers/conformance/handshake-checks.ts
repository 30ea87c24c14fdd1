/** Conformance checks of the protocol's door: who is let in, what is refused, and that a refusal changes nothing. */
import assert from "node:assert/strict";
import { toWire } from "../../contract/renaming.ts";
import { methods, protocolVersion, rpcErrors } from "../../contract/worker-protocol.ts";
import type { WorkerCheck } from "./check.ts";
import type { RawConnection, WorkerHarness } from "./worker-harness.ts";

/** These codes are JSON-RPC's own. */
const methodNotFound = -32601;
const invalidParams = -32602;

async function assertRefused(raw: RawConnection, method: string, params: unknown, code: number): Promise<string> {
  const answer = await raw.ask(method, params);
  assert.equal(answer.kind, "error", `${method} ${JSON.stringify(params)} was answered, not refused`);
  assert(answer.kind === "error");
  assert.equal(answer.code, code, `${method} was refused with ${answer.code}: ${answer.message}`);
  assert.notEqual(answer.message, "");
  return answer.message;
}

/** Lists orders that no worker may take, with the field that its answer must name. */
function badOrders(harness: WorkerHarness): readonly (readonly [method: string, params: unknown, field: string])[] {
  const order = toWire(harness.order(harness.subject.shortRequest));
  const request = { ...order.request };
  return [
    ["generate", { ...order, request: { ...request, width: 0 } }, "width"],
    ["generate", { ...order, request: { ...request, frames: -1 } }, "frames"],
    ["generate", { ...order, request: { ...request, steps: "many" } }, "steps"],
    ["generate", { ...order, request: { ...request, model: "no-such-model" } }, "model"],
    ["generate", { ...order, fence: 1.5 }, "fence"],
    ["generate", { job_id: "a", fence: 1 }, "request"],
    ["model/load", { model: "no-such-model", profile: "full" }, "model"],
    ["model/load", { model: request.model, profile: "no-such-profile" }, "profile"],
    ["cancel", { job_id: "a" }, "fence"],
    ["job/ack", { fence: 1 }, "job_id"],
    ["action/run", { action: "reboot_the_host" }, "action"],
    ["probe", { kind: "no-such-kind" }, "kind"],
    ["shutdown", {}, "reason"],
  ];
}

export const handshakeChecks: readonly WorkerCheck[] = [
  {
    name: "refuses a wrong token, also for what is called after it",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const raw = await worker.openRaw();
      await assertRefused(
        raw,
        "initialize",
        { protocol: protocolVersion, token: "not the token" },
        rpcErrors.unauthorized,
      );
      await assertRefused(raw, "stats", {}, rpcErrors.unauthorized);
      raw.socket.destroy();
      await worker.client.stats();
    },
  },
  {
    name: "refuses another version of the protocol",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const raw = await worker.openRaw();
      const params = { protocol: protocolVersion + 1, token: raw.token };
      const message = await assertRefused(raw, "initialize", params, rpcErrors.protocolMismatch);
      assert.match(
        message,
        new RegExp(`\\b${protocolVersion}\\b`),
        "the refusal names the version that the worker speaks",
      );
      raw.socket.destroy();
      await worker.client.stats();
    },
  },
  {
    name: "answers no method before initialize",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const raw = await worker.openRaw();
      const others = Object.keys(methods).filter((method) => method !== "initialize");
      for (const method of others) await assertRefused(raw, method, {}, rpcErrors.unauthorized);
      raw.socket.destroy();
      await worker.client.stats();
    },
  },
  {
    name: "describes itself: device, models, profiles, actions, and the phases in their order",
    needs: [],
    run: async (harness) => {
      const { client } = await harness.common();
      const { subject } = harness;
      const { device, models, profiles, phases } = client.identity;
      assert.notEqual(device.uuid, "");
      assert.ok(device.totalBytes > 0);
      assert.ok(models.includes(subject.shortRequest.model));
      assert.ok(profiles.includes(subject.profile));
      assert.deepEqual(phases, ["encode", "denoise", "decode", "mux"]);
    },
  },
  {
    name: "refuses bad parameters with the field's name, and nothing has changed",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const before = { attach: await worker.client.attach(), stats: await worker.client.stats() };
      const raw = await worker.openRaw();
      assert.equal((await raw.handshake()).kind, "result");
      for (const [method, params, field] of badOrders(harness)) {
        const message = await assertRefused(raw, method, params, invalidParams);
        assert.ok(message.includes(field), `${method}: "${message}" does not name ${field}`);
      }
      raw.socket.destroy();
      const client = await worker.connect();
      assert.deepEqual({ attach: await client.attach(), stats: await client.stats() }, before);
    },
  },
  {
    name: "refuses an unknown method and goes on",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      const raw = await worker.openRaw();
      assert.equal((await raw.handshake()).kind, "result");
      await assertRefused(raw, "model/fly", {}, methodNotFound);
      assert.equal((await raw.ask("stats", {})).kind, "result");
      raw.socket.destroy();
    },
  },
  {
    name: "a connection that does not speak the protocol ends alone",
    needs: [],
    run: async (harness) => {
      const worker = await harness.common();
      for (const noise of [
        "GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        "Content-Length: 9\r\n\r\nnot json!",
        "\u0000".repeat(4_096),
      ]) {
        const raw = await worker.openRaw();
        raw.socket.write(noise);
        raw.socket.end();
        await worker.client.stats();
      }
    },
  },
];
