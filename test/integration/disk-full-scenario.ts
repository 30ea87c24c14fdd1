/** A program: fills the disk under a service that works, empties it again, and prints what was seen. */
import { mebibyte } from "../../src/core/units.ts";
import { findProcessesOf } from "../harness/processes.ts";
import { lookIntoStore, type Row, rowsSince } from "../harness/rows.ts";
import { clock, endService, type RunningService, smallJob, startService, until } from "../harness/running-service.ts";
import { mountSmallDisk, type SmallDisk } from "../harness/small-disk.ts";
import { delivered, deliveredFrames, inPhase, isReady } from "../harness/tasks.ts";

export interface DiskFullFindings {
  /** Statuses of all submissions, and the first refusal. */
  readonly submitStatuses: readonly number[];
  readonly refused: Submission;
  /** Of what clients ask for while the disk is full. */
  readonly readStatuses: readonly number[];
  readonly framesOfFirst: number;
  readonly accepted: readonly string[];
  readonly committed: readonly (string | null)[];
  readonly isBallastReleased: boolean;
  /** Codes for which attempts ended and incidents were opened. */
  readonly codes: readonly unknown[];
  /** Between the row that says that there is room again and the first claim. */
  readonly claimedAfterMs: number;
  readonly integrity: string;
  readonly exit: number | string;
  readonly leftBehind: number;
}

interface Submission {
  readonly status: number;
  readonly body: { readonly task_id?: string; readonly code?: string; readonly detail?: string };
  readonly retryAfter: string | null;
}

const env = { UNDERSTUDY_DISK_MIN_FREE: "16MiB", UNDERSTUDY_DISK_WARN_FREE: "16MiB", UNDERSTUDY_DISK_BALLAST: "8MiB" };

async function submit(service: RunningService): Promise<Submission> {
  const answer = await fetch(`${service.url}/api/v1/generation/submit`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(smallJob),
  });
  return {
    status: answer.status,
    body: (await answer.json()) as Submission["body"],
    retryAfter: answer.headers.get("retry-after"),
  };
}

/** A client that never stops submitting. */
function submitAlways(service: RunningService): {
  readonly answers: readonly Submission[];
  readonly stop: () => Promise<void>;
} {
  const answers: Submission[] = [];
  let isOver = false;
  const client = (async () => {
    while (!isOver) {
      answers.push(await submit(service));
      await clock.sleep(250);
    }
  })();
  return {
    answers,
    stop: () => {
      isOver = true;
      return client;
    },
  };
}

function codesIn(rows: readonly Row[]): unknown[] {
  const faults = rows
    .filter(({ kind }) => kind === "incident.opened")
    .map(({ data }) => data["fault"] as { readonly code: string });
  const ended = rows.filter(({ kind }) => kind === "job.retried" || kind === "job.failed").map(({ data }) => data);
  return [...new Set([...faults, ...ended].map(({ code }) => code))];
}

function claimDelayMs(rows: readonly Row[]): number {
  const recoveredAtMs = rows.findLast(({ kind }) => kind === "disk.recovered")?.atMs ?? Number.POSITIVE_INFINITY;
  const claim = rows.find(({ kind, atMs }) => kind === "job.claimed" && atMs >= recoveredAtMs);
  return (claim?.atMs ?? Number.POSITIVE_INFINITY) - recoveredAtMs;
}

async function fillUnder(service: RunningService, disk: SmallDisk): Promise<DiskFullFindings> {
  await isReady(service);
  const first = await service.submit({ steps: 40, num_frames: 49 });
  await inPhase(service, first, "denoise", 20);
  const client = submitAlways(service);
  await until("submissions are taken", () => client.answers.length > 2);
  disk.fill();
  const refused = await until("a submission is refused", () => client.answers.find(({ status }) => status !== 200));
  await until("the render finds no room", () => rowsSince(disk.path).some(({ kind }) => kind === "job.retried"));
  await until("the service says that it cannot take jobs", async () => (await service.json("/readyz")).status === 503);
  const readStatuses: number[] = [];
  for (const path of ["/livez", "/api/v1/queue", "/api/v1/recovery/status", `/api/v1/generate/${first}`])
    readStatuses.push((await service.json(path)).status);
  disk.empty();
  await until("submissions are taken again", () => client.answers.at(-1)?.status === 200);
  await client.stop();
  const accepted = [first, ...client.answers.flatMap(({ body }) => body.task_id ?? [])];
  for (const id of accepted) await delivered(service, id);
  const framesOfFirst = await deliveredFrames(service, first);
  service.process.kill("SIGTERM");
  const exit = await service.ended;
  const rows = rowsSince(disk.path);
  return {
    submitStatuses: client.answers.map(({ status }) => status),
    refused,
    readStatuses,
    framesOfFirst,
    accepted: accepted.toSorted(),
    committed: rows
      .filter(({ kind }) => kind === "job.succeeded")
      .map(({ jobId }) => jobId)
      .toSorted(),
    isBallastReleased: rows.some(({ kind }) => kind === "disk.ballastReleased"),
    codes: codesIn(rows),
    claimedAfterMs: claimDelayMs(rows),
    integrity: String(
      lookIntoStore(disk.path, (database) => database.prepare("pragma integrity_check").get())?.["integrity_check"] ??
        "unknown",
    ),
    exit,
    leftBehind: findProcessesOf(disk.path).length,
  };
}

const disk = mountSmallDisk(64 * mebibyte);
try {
  const service = await startService({ stateDir: disk.path, env });
  try {
    process.stdout.write(JSON.stringify(await fillUnder(service, disk)));
  } catch (thrown) {
    disk.empty();
    console.error(service.output().split("\n").slice(-30).join("\n"));
    throw thrown;
  } finally {
    await endService(service);
  }
} finally {
  clock.stop();
  disk.remove();
}
