/** What the service says of the queue is compared with what comes, at each place of the queue, on the real process. */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  clock,
  endService,
  makeStateDir,
  type RunningService,
  startService,
  until,
} from "../harness/running-service.ts";
import { delivered, isReady } from "../harness/tasks.ts";

const directory = makeStateDir();
let service: RunningService;
beforeAll(async () => {
  service = await startService({ stateDir: directory.path });
  await isReady(service);
}, 90_000);
afterAll(async () => {
  await endService(service);
  directory.remove();
});

interface Status {
  readonly sentence: string;
  readonly promise: {
    readonly kind: string;
    readonly because: string;
    readonly jobs_ahead: number;
    readonly turn_at?: string;
  };
}
const status = async (): Promise<Status> => (await service.json<Status>("/api/v1/status")).body;
const etaOf = async (id: string): Promise<number> => {
  const { body } = await service.json<{ understudy: { eta_seconds: number | null } }>(`/v1/videos/${id}`);
  return body.understudy.eta_seconds ?? Number.NaN;
};

it("the time of each of many that wait is within a factor of two, learned from one render of another size", {
  timeout: 180_000,
}, async () => {
  expect(await status()).toMatchObject({ promise: { kind: "realNow", jobs_ahead: 0 } });
  expect((await status()).sentence).toMatch(/^A video submitted now is rendered at once\./);
  await delivered(service, await service.submit({ num_frames: 33, steps: 20 }));

  const ids: string[] = [];
  for (let place = 0; place < 16; place += 1) ids.push(await service.submit({ num_frames: 17, steps: 16 }));
  const askedAtMs = clock.nowMs();
  const etas = await Promise.all(ids.slice(1).map(etaOf));
  const { sentence, promise } = await status();
  expect(promise).toMatchObject({ kind: "realLater", because: "queued" });
  expect(promise.jobs_ahead).toBeGreaterThan(10);
  expect(sentence).toMatch(/^A video submitted now is rendered after about \d+ before it, in about \d+ s\./);

  const took: number[] = [];
  for (const id of ids.slice(1)) {
    await delivered(service, id);
    const job = await until("it has ended", async () => {
      const { body } = await service.json<{ ended_at?: string }>(`/api/v1/jobs/${id}`);
      return body.ended_at;
    });
    took.push((Date.parse(job) - askedAtMs) / 1_000);
  }
  const turnInSeconds = (Date.parse(promise.turn_at ?? "") - askedAtMs) / 1_000;
  const ratios = [...etas.map((eta, place) => (took[place] ?? 0) / eta), (took.at(-1) ?? 0) / turnInSeconds];
  expect(Math.max(...ratios), JSON.stringify({ etas, took, turnInSeconds })).toBeLessThan(2);
  expect(Math.min(...ratios), JSON.stringify({ etas, took, turnInSeconds })).toBeGreaterThan(0.5);
});
