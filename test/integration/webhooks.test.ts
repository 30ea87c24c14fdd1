import { afterEach, describe, expect, it } from "vitest";
import { type JobDetail, jobDetailSchema } from "../../src/contract/jobs-wire.ts";
import { endService, makeStateDir, type RunningService, startService, until } from "../harness/running-service.ts";
import { bodyOf, isSigned, type Received, startReceiver, type WebhookReceiver } from "../harness/webhook-receiver.ts";

const secret = "a secret that only two of us know";
const environment = {
  UNDERSTUDY_WEBHOOK_SECRET: secret,
  UNDERSTUDY_WEBHOOK_ALLOW: "127.0.0.1",
  UNDERSTUDY_WEBHOOK_RETRY_FIRST: "200ms",
  UNDERSTUDY_WEBHOOK_RETRY_LONGEST: "400ms",
  UNDERSTUDY_WEBHOOK_TRIES: "1000",
};
const wanted = { model: "T2V-A14B", prompt: "a red fox runs across fresh snow", size: "854x480", steps: 12, frames: 9 };

const started: RunningService[] = [];
const receivers: WebhookReceiver[] = [];
const directories: { remove: () => void }[] = [];
afterEach(async () => {
  for (const service of started.splice(0)) await endService(service);
  for (const receiver of receivers.splice(0)) await receiver.close();
  for (const directory of directories.splice(0)) directory.remove();
});

async function start(stateDir: string, env: Readonly<Record<string, string>> = environment): Promise<RunningService> {
  const service = await startService({ stateDir, env, args: ["--sim-speed", "20"] });
  started.push(service);
  return service;
}
function makeDirectory(): string {
  const directory = makeStateDir();
  directories.push(directory);
  return directory.path;
}
async function receive(options?: Parameters<typeof startReceiver>[0]): Promise<WebhookReceiver> {
  const receiver = await startReceiver(options);
  receivers.push(receiver);
  return receiver;
}

const post = (service: RunningService, path: string, body?: object) =>
  service.json(path, {
    method: "POST",
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
async function submit(service: RunningService, url: string): Promise<string> {
  const answer = await post(service, "/api/v1/jobs", { ...wanted, webhook: { url } });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return String(answer.body["id"]);
}
const show = async (service: RunningService, id: string): Promise<JobDetail> =>
  jobDetailSchema.parse((await service.json(`/api/v1/jobs/${id}`)).body);

describe("a job's webhook", { timeout: 120_000 }, () => {
  it("is told across a kill -9 of the service: it fails, the service dies, the next one delivers the same event, signed", async () => {
    const stateDir = makeDirectory();
    const receiver = await receive({ answer: 500 });
    const first = await start(stateDir);
    const id = await submit(first, `${receiver.origin}/told?key=hidden`);
    const isOfTheEnd = (one: Received): boolean => bodyOf(one).type === "job.succeeded";
    await until("two tries of job.succeeded fail", () => receiver.received.filter(isOfTheEnd).length >= 2, 90_000);
    first.process.kill("SIGKILL");
    await first.ended;
    const before = receiver.received.length;
    receiver.answer = 204;
    const second = await start(stateDir);
    const delivered = await until("it is delivered", async () => {
      const { webhook } = await show(second, id);
      return webhook?.deliveries.find(({ type, state }) => type === "job.succeeded" && state === "delivered");
    });
    const told = receiver.received.filter(isOfTheEnd);
    expect(new Set(told.map((one) => one.id))).toEqual(new Set([delivered.id]));
    expect(receiver.received.length).toBeGreaterThan(before);
    expect(delivered.try_count).toBeGreaterThanOrEqual(2);
    for (const one of receiver.received) expect(isSigned(one, secret)).toBe(true);
    const last = told.at(-1);
    if (last === undefined) throw new Error("nothing was told");
    expect(bodyOf(last)).toMatchObject({
      data: { job_id: id, state: "succeeded", simulated: true, artifact: { kind: "result" } },
    });
    expect((await fetch(`${second.url}${bodyOf(last).data.artifact?.url ?? ""}`)).status).toBe(200);
    expect([first.output(), second.output()].join()).not.toContain(secret);
    expect(JSON.stringify(await show(second, id))).not.toContain("hidden");
  });

  it("is refused on the loopback address unless the operator lists it, and without a secret", async () => {
    const receiver = await receive();
    const service = await start(makeDirectory(), { ...environment, UNDERSTUDY_WEBHOOK_ALLOW: "10.0.0.1" });
    for (const url of [receiver.origin, `http://localhost:${receiver.port}/`]) {
      const refused = await post(service, "/api/v1/jobs", { ...wanted, webhook: { url } });
      expect([refused.status, refused.body["code"]]).toEqual([422, "WEBHOOK_REFUSED"]);
    }
    expect((await service.json("/api/v1/jobs")).body).toEqual({ jobs: [] });
    expect(receiver.received).toEqual([]);
  });

  it("a drain of the intake outlives a kill -9, renders what was accepted, and ends with a resume", async () => {
    const stateDir = makeDirectory();
    const receiver = await receive();
    const first = await start(stateDir);
    const id = await submit(first, receiver.origin);
    expect((await post(first, "/api/v1/jobs/drain")).body).toMatchObject({ drained: true });
    first.process.kill("SIGKILL");
    await first.ended;
    const second = await start(stateDir);
    const refused = await post(second, "/api/v1/jobs", wanted);
    expect([refused.status, refused.body["code"]]).toEqual([503, "INTAKE_DRAINED"]);
    expect((await second.json("/readyz")).status).toBe(503);
    await until("the accepted job is rendered", async () => (await show(second, id)).state === "succeeded", 90_000);
    await post(second, "/api/v1/jobs/resume");
    expect((await post(second, "/api/v1/jobs", wanted)).status).toBe(201);
  });
});
