/** The frames of the compatible clients' socket by topic: what each fact of the service is to them. */

import type { EventRow } from "../core/events.ts";
import type { JobProgress } from "../core/job.ts";
import type { Sample } from "../core/ports/telemetry-probe.ts";
import { present, withoutNulls } from "../core/present.ts";
import { mebibyte } from "../core/units.ts";
import { describeEvent } from "./event-words.ts";
import type { DownloadView } from "./model-views.ts";
import { toDownload } from "./model-wire.ts";
import { toHealthStatus } from "./recovery-wire.ts";
import type { HealthView } from "./service-views.ts";
import { toStats } from "./stats-wire.ts";
import { toProgress } from "./stream-wire.ts";

/** A client has all of them until it unsubscribes. */
export const socketTopics = [
  "system_stats",
  "generation_progress",
  "queue_updates",
  "alerts",
  "model_status",
  "download_progress",
  "health_monitoring",
  "fallback_notifications",
  "analytics_updates",
] as const;
export type SocketTopic = (typeof socketTopics)[number];

export interface SocketFrame {
  readonly topic: SocketTopic;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const stageWords: Readonly<Record<JobProgress["phase"], string>> = {
  encode: "The prompt is being read.",
  denoise: "The picture is being made.",
  decode: "Frames are being decoded.",
  mux: "The file is being written.",
};

export function progressFrames(progress: JobProgress): SocketFrame[] {
  const wire = toProgress(progress);
  const topic = "generation_progress";
  const about = { task_id: wire.job_id, status: "processing", progress: wire.progress };
  const stageProgress = wire.of === 0 ? 0 : Math.min(100, Math.round((wire.step / wire.of) * 100));
  return [
    { topic, type: "task_update", data: about },
    { topic, type: "generation_progress", data: { ...about, stage: wire.phase, ...wire } },
    {
      topic,
      type: "detailed_generation_progress",
      data: { ...about, stage: wire.phase, message: stageWords[wire.phase] },
    },
    {
      topic,
      type: "generation_stage",
      data: { task_id: wire.job_id, stage: wire.phase, stage_progress: stageProgress },
    },
  ];
}

const warningLevelOf = (ratio: number): string => (ratio >= 0.95 ? "critical" : ratio >= 0.9 ? "warning" : "normal");
const percent = (ratio: number): number => Number((ratio * 100).toFixed(1));

/** Cards whose memory was not measured have no frame. What the allocator holds and what it reserved is one figure from outside. */
export function sampleFrames(sample: Sample): SocketFrame[] {
  const cards = sample.gpus.flatMap((gpu, index): SocketFrame[] => {
    const { usedBytes: used, totalBytes: total } = gpu;
    if (used === null || total === null || total === 0) return [];
    const megabytes = (bytes: number): number => Math.round(bytes / mebibyte);
    const data = {
      allocated_mb: megabytes(used),
      reserved_mb: megabytes(used),
      free_mb: megabytes(total - used),
      total_mb: megabytes(total),
      allocated_percent: percent(used / total),
      reserved_percent: percent(used / total),
      warning_level: warningLevelOf(used / total),
      device_name: gpu.name,
      device_id: index,
    };
    return [{ topic: "system_stats", type: "vram_monitoring", data }];
  });
  return [{ topic: "system_stats", type: "system_stats_update", data: toStats(sample) }, ...cards];
}

/** A check is told as it is, and what is wrong once more as an alert. */
export function healthFrames(health: HealthView): SocketFrame[] {
  const severity = health.overallStatus === "degraded" ? "warning" : health.overallStatus;
  const isAlarming = severity === "warning" || severity === "critical" || severity === "error";
  const alerts = isAlarming ? health.issues : [];
  return [
    { topic: "health_monitoring", type: "health_status", data: toHealthStatus(health) },
    ...alerts.map((message) => ({
      topic: "alerts" as const,
      type: "alert",
      data: { alert_type: "health", message, severity },
    })),
  ];
}

/** How far a download is, and its end in the words that the compatible clients know. */
export function downloadFrames(download: DownloadView): SocketFrame[] {
  const data = toDownload(download);
  const { model_type, status, error } = data;
  const progress: SocketFrame = { topic: "download_progress", type: "download_progress", data };
  if (status !== "completed" && status !== "failed") return [progress];
  const message = error ?? `${model_type} is complete, and every file matches its hash.`;
  return [
    progress,
    { topic: "download_progress", type: "model_download_complete", data: { model_type, status, message } },
  ];
}

/** Rows that are not about a job. */
export function rowFrames(row: EventRow): SocketFrame[] {
  switch (row.kind) {
    case "model.proven":
    case "model.loadFailed":
    case "model.setAside": {
      const about = { model_type: row.data.model, task_id: row.jobId ?? "" };
      const end = row.kind === "model.proven" ? { progress: 100, status: "loaded" } : { progress: 0, status: "failed" };
      return [{ topic: "model_status", type: "model_loading_progress", data: { ...about, ...end } }];
    }
    case "incident.opened": {
      const { model, is_set_aside: isSetAside = false } = row.data;
      const message = isSetAside ? `${model ?? ""} could not be loaded and is set aside.` : "Trouble: recovery begins.";
      const severity = isSetAside ? "warning" : "critical";
      return [{ topic: "alerts", type: "alert", data: { alert_type: "incident", message, severity } }];
    }
    case "incident.closed": {
      const { status, blame } = row.data;
      const message = describeEvent(row);
      const data = { incident_id: row.incidentId ?? "", status, ...withoutNulls({ message }), ...present({ blame }) };
      return [{ topic: "analytics_updates", type: "analytics_update", data }];
    }
    default:
      return [];
  }
}
