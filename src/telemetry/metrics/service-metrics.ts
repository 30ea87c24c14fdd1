/** Metrics of the process itself, its answers, its listeners and its downloads. */
import type { PullProgress } from "../../core/ports/model-cache.ts";
import { secondMs } from "../../core/units.ts";
import { answerSeconds, type Families } from "./families.ts";

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

interface Answered {
  readonly method: string;
  /** The route's pattern, never the address itself; `unmatched` where no route is. */
  readonly route: string;
  readonly status: number;
  readonly tookMs: number;
}

export interface ServiceMetrics {
  answered(answer: Answered): void;
  pulled(model: string, progress: PullProgress): void;
  process(listenerCount: number): void;
}

export function createServiceMetrics(
  families: Families,
  about: { readonly version: string; readonly startedAtMs: number },
): ServiceMetrics {
  const answers = families.histogram(
    "http_request_duration_seconds",
    "From a request to the head of its answer.",
    answerSeconds,
    ["route", "method", "status_class"],
  );
  const downloaded = families.counter("download_bytes_total", "Bytes of model files that were fetched.", ["model"]);
  const remaining = families.gauge("download_remaining_bytes", "Bytes that a download has yet to fetch.", ["model"]);
  const listeners = families.gauge("stream_clients", "Clients of event streams and sockets.");
  const build = families.gauge("build_info", "1, with the versions of the program.", ["version", "node"]);
  const started = families.gauge("process_start_time_seconds", "When the service started.");
  const cpu = families.counter(
    "process_cpu_seconds_total",
    "Processor time of the service, its workers and helpers aside.",
  );
  const resident = families.gauge(
    "process_resident_memory_bytes",
    "Memory of the service, its workers and helpers aside.",
  );
  build.set({ version: about.version, node: process.version }, 1);
  started.set(about.startedAtMs / secondMs);
  const doneBytes = new Map<string, number>();
  return {
    answered: ({ method, route, status, tookMs }) =>
      answers.observe(
        { route, method: methods.has(method) ? method : "other", status_class: `${Math.floor(status / 100)}xx` },
        tookMs / secondMs,
      ),
    pulled: (model, { doneBytes: done, totalBytes }) => {
      // Bytes that were on the disk before the first word of a pull were fetched by another one.
      const before = doneBytes.get(model) ?? done;
      downloaded.inc({ model }, Math.max(0, done - before));
      doneBytes.set(model, done);
      remaining.set({ model }, Math.max(0, totalBytes - done));
    },
    process: (listenerCount) => {
      listeners.set(listenerCount);
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
      resident.set(process.memoryUsage.rss());
    },
  };
}
