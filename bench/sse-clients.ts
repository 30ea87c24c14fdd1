/** 1,000 clients of the event stream at ten events a second: what those who read lose, and what those who do not cost. */
import { type ChildProcess, fork } from "node:child_process";
import { connect, type Socket } from "node:net";
import { mebibyte } from "../src/core/units.ts";
import { clock } from "../test/harness/running-service.ts";
import type { BenchResult } from "./result.ts";
import type { SseOrder } from "./sse-server.ts";

const readerCount = 900;
const silentCount = 100;
const askedPerSecond = 10;
/** The pace is a little faster than asked, so that the rate reached says something about the service. */
const rows = { count: 250, everyMs: 80, textLength: 200 };
/** Each flood is more than kernel, socket and queue hold for a client. */
const flood = { count: 700, everyMs: 4, textLength: 16 * 1024 };
const patienceMs = 180_000;

interface Client {
  readonly socket: Socket;
  /** Numbers of the rows that came, in order. */
  readonly numbers: number[];
  readonly newestAtMs: () => number;
}

interface Report {
  readonly rssBytes: number;
  readonly cpuMs: number;
  readonly newestSeq: number;
  readonly defectCount: number;
}

function nextMessage<Message>(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as Message));
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

/** A client that reads counts rows; one that does not never takes a byte from its socket. */
function openClient(port: number, isReading: boolean): Promise<Client> {
  const socket = connect(port, "127.0.0.1");
  const numbers: number[] = [];
  let newestAtMs = 0;
  const client: Client = { socket, numbers, newestAtMs: () => newestAtMs };
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.write("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
      if (!isReading) {
        socket.pause();
        return resolve(client);
      }
      let text = "";
      let hasSnapshot = false;
      socket.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
        const end = text.lastIndexOf("\n\n");
        if (end === -1) return;
        for (const [, number] of text.slice(0, end).matchAll(/event: worker\.exited\nid: (\d+)/g)) {
          numbers.push(Number(number));
          newestAtMs = clock.nowMs();
        }
        hasSnapshot ||= text.includes("event: snapshot");
        text = text.slice(end);
        if (hasSnapshot) resolve(client);
      });
    });
  });
}

async function openClients(port: number, count: number, isReading: boolean): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < count)
    clients.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(50, count - clients.length) }, () => openClient(port, isReading)),
      )),
    );
  return clients;
}

/** Rows that did not come, and rows out of their order, over all clients. */
function countLost(clients: readonly Client[]): number {
  return clients.reduce((lost, { numbers }) => {
    const inOrder = numbers.filter((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1).length;
    return lost + Math.max(0, rows.count - inOrder);
  }, 0);
}

async function order(child: ChildProcess, what: SseOrder): Promise<Report> {
  const report = nextMessage<Report>(child);
  child.send(what);
  return report;
}

export async function benchSse(): Promise<BenchResult[]> {
  const child = fork(new URL("./sse-server.ts", import.meta.url), { execArgv: [] });
  try {
    const { port } = await nextMessage<{ port: number }>(child);
    const silent = await openClients(port, silentCount, false);
    const readers = await openClients(port, readerCount, true);
    const startedAtMs = clock.nowMs();
    const steady = await order(child, rows);
    const deadlineMs = clock.nowMs() + patienceMs;
    while (countLost(readers) > 0 && clock.nowMs() < deadlineMs) await clock.sleep(200);
    const lostCount = countLost(readers);
    const tookMs = Math.max(...readers.map(({ newestAtMs }) => newestAtMs())) - startedAtMs;
    for (const { socket } of readers) socket.destroy();
    const first = await order(child, flood);
    const second = await order(child, flood);
    for (const { socket } of silent) socket.destroy();
    const offeredMib = (flood.count * flood.textLength) / mebibyte;
    const inMib = ({ rssBytes }: Report): string => (rssBytes / mebibyte).toFixed(0);
    const defectCount = second.defectCount;
    return [
      {
        what: `rows lost by ${readerCount} clients that read, of ${readerCount * rows.count}`,
        value: lostCount + defectCount,
        unit: "",
        limit: { kind: "atMost", value: 0 },
        detail: `${readerCount + silentCount} clients, ${silentCount} of them read nothing`,
      },
      {
        what: `rows a second until the last of ${readerCount} clients had the last row`,
        value: (rows.count / tookMs) * 1_000,
        unit: "",
        limit: { kind: "atLeast", value: askedPerSecond },
        detail: `${(1_000 / rows.everyMs).toFixed(1)} offered; the server spent ${(steady.cpuMs / rows.count).toFixed(0)} ms of CPU on a row`,
      },
      {
        what: `memory after twice the flood / after once, ${silentCount} clients that read nothing`,
        value: second.rssBytes / first.rssBytes,
        unit: "",
        limit: { kind: "atMost", value: 1.1 },
        detail: `${inMib(first)} MiB, then ${inMib(second)} MiB; each flood offered ${offeredMib.toFixed(0)} MiB to each client, ${inMib(steady)} MiB before`,
      },
    ];
  } finally {
    child.kill();
  }
}
