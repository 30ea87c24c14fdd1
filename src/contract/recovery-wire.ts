/**
 * Recovery answers with the exact fields that the compatible clients read; what is added says what was measured and
 * proven.
 */
import { z } from "zod";
import { isoOf } from "../core/clock.ts";
import { ifAny, present, withoutNulls } from "../core/present.ts";
import {
  type FailureType,
  failureTypes,
  healthStatuses,
  type Mode,
  modes,
  outcomes,
  recoveryActions,
} from "../core/words.ts";
import { failureTypeDescriptions, recoveryActionDescriptions } from "./recovery-texts.ts";
import type {
  HealthView,
  IncidentView,
  RecoveryAttemptView,
  RecoveryReset,
  RecoveryTriggered,
  ServiceStatus,
} from "./service-views.ts";

const time = z.iso.datetime();
const tallies = z.record(z.string(), z.strictObject({ total: z.number().int(), successful: z.number().int() }));

export const healthSchema = z
  .strictObject({
    overall_status: z.enum(healthStatuses),
    cpu_usage_percent: z.number(),
    memory_usage_percent: z.number(),
    /** Share of the card in use, whoever uses it. */
    vram_usage_percent: z.number(),
    /** Share in use of what the card has beside the known need of model and job; this is what is judged. */
    vram_outside_known_percent: z.number(),
    /** The percentages above that could not be measured; they are 0 for clients that compute with them. */
    unmeasured: z.array(z.string()).optional(),
    gpu_available: z.boolean(),
    model_loading_functional: z.boolean(),
    generation_pipeline_functional: z.boolean(),
    issues: z.array(z.string()),
    recommendations: z.array(z.string()),
    last_check: time,
    last_check_timestamp: time,
    /** How old the measurement is; 0 where it was made for this answer. */
    age_ms: z.int().nonnegative(),
  })
  .meta({ id: "Health" });

const percent = (ratio: number | null): number => (ratio === null ? 0 : Math.round(ratio * 1_000) / 10);

export function toHealth(health: HealthView): z.infer<typeof healthSchema> {
  const ratios = {
    cpu_usage_percent: health.cpuRatio,
    memory_usage_percent: health.memoryRatio,
    vram_usage_percent: health.vramRatio,
    vram_outside_known_percent: health.vramOutsideRatio,
  };
  const unmeasured = Object.entries(ratios).flatMap(([name, ratio]) => (ratio === null ? [name] : []));
  return {
    overall_status: health.overallStatus,
    cpu_usage_percent: percent(health.cpuRatio),
    memory_usage_percent: percent(health.memoryRatio),
    vram_usage_percent: percent(health.vramRatio),
    vram_outside_known_percent: percent(health.vramOutsideRatio),
    ...present({ unmeasured: ifAny(unmeasured) }),
    gpu_available: health.isGpuAvailable,
    model_loading_functional: health.isModelLoadingFunctional,
    generation_pipeline_functional: health.isGenerationPipelineFunctional,
    issues: [...health.issues],
    recommendations: [...health.recommendations],
    last_check: isoOf(health.checkedAtMs),
    last_check_timestamp: isoOf(health.checkedAtMs),
    age_ms: health.ageMs,
  };
}

export const attemptSchema = z
  .strictObject({
    failure_type: z.enum(failureTypes),
    action: z.enum(recoveryActions),
    outcome: z.enum(outcomes),
    success: z.boolean(),
    timestamp: time,
    /** Seconds. */
    recovery_time: z.number(),
    error_message: z.string().nullable(),
    worker_id: z.string().optional(),
    incident_id: z.string().optional(),
  })
  .meta({ id: "RecoveryAttempt" });

export function toAttempt(attempt: RecoveryAttemptView): z.infer<typeof attemptSchema> {
  const isSuccess = attempt.outcome === "effective";
  return {
    failure_type: attempt.failureType,
    action: attempt.action,
    outcome: attempt.outcome,
    success: isSuccess,
    timestamp: isoOf(attempt.endedAtMs),
    recovery_time: Number(((attempt.endedAtMs - attempt.startedAtMs) / 1_000).toFixed(2)),
    error_message: isSuccess ? null : attempt.reason,
    ...withoutNulls({ worker_id: attempt.workerId, incident_id: attempt.incidentId }),
  };
}

/** The list of attempts: the same facts under the names that the compatible clients read. */
export const attemptListSchema = z
  .strictObject({
    recovery_attempts: z.array(
      z.strictObject({
        failure_type: z.enum(failureTypes),
        action: z.enum(recoveryActions),
        outcome: z.enum(outcomes),
        success: z.boolean(),
        timestamp: time,
        recovery_time_seconds: z.number(),
        error_message: z.string().nullable(),
        context: z.record(z.string(), z.string()),
      }),
    ),
    total_attempts: z.number().int(),
    showing_recent: z.number().int(),
    timestamp: time,
  })
  .meta({ id: "RecoveryAttempts" });

export function toAttemptList(status: ServiceStatus, limit: number, nowMs: number): z.infer<typeof attemptListSchema> {
  const shown = status.recoveryAttempts.slice(0, limit).map(toAttempt);
  return {
    recovery_attempts: shown.map(({ recovery_time, worker_id, incident_id, ...attempt }) => ({
      ...attempt,
      recovery_time_seconds: recovery_time,
      context: {
        ...present({ worker_id, incident_id }),
      },
    })),
    total_attempts: status.recoveryStatistics.totalAttempts,
    showing_recent: shown.length,
    timestamp: isoOf(nowMs),
  };
}

/** The compatible clients' notification of a health check; its shares are percents. */
export const healthStatusSchema = z.strictObject({
  status: z.enum(healthStatuses),
  cpu_usage: z.number(),
  memory_usage: z.number(),
  vram_usage: z.number(),
  issues: z.array(z.string()),
  recommendations: z.array(z.string()),
  timestamp: time,
});

export function toHealthStatus(view: HealthView): z.infer<typeof healthStatusSchema> {
  const health = toHealth(view);
  return {
    status: health.overall_status,
    cpu_usage: health.cpu_usage_percent,
    memory_usage: health.memory_usage_percent,
    vram_usage: health.vram_usage_percent,
    issues: health.issues,
    recommendations: health.recommendations,
    timestamp: health.last_check,
  };
}

/**
 * The compatible clients' notification that stand-ins serve, and that they no longer do; `mock` is their `degraded`.
 */
export const systemStatusSchema = z.strictObject({
  status: z.string(),
  mode: z.enum(modes),
  message: z.string(),
  mock_mode_enabled: z.boolean(),
});

export const toSystemStatus = (mode: Mode, sentence: string): z.infer<typeof systemStatusSchema> => ({
  status: mode === "mock" ? "degraded" : mode,
  mode,
  message: sentence,
  mock_mode_enabled: mode === "mock",
});

export const incidentSchema = z
  .strictObject({
    id: z.string(),
    failure_type: z.enum(failureTypes),
    worker_id: z.string().optional(),
    opened_at: time,
    sentence: z.string(),
  })
  .meta({ id: "OpenIncident" });

export const toIncident = (incident: IncidentView): z.infer<typeof incidentSchema> => ({
  id: incident.id,
  failure_type: incident.failureType,
  ...withoutNulls({ worker_id: incident.workerId }),
  opened_at: isoOf(incident.openedAtMs),
  sentence: incident.sentence,
});

export const recoveryStatusSchema = z
  .strictObject({
    recovery_system_active: z.literal(true),
    health_monitoring_active: z.boolean(),
    mock_generation_enabled: z.boolean(),
    degraded_mode_active: z.boolean(),
    recovery_statistics: z.strictObject({
      total_attempts: z.number().int(),
      successful_attempts: z.number().int(),
      success_rate: z.number(),
      average_recovery_time: z.number(),
      failure_types: tallies,
      recovery_actions: tallies,
      mock_generation_enabled: z.boolean(),
      degraded_mode_active: z.boolean(),
    }),
    current_health_status: healthSchema.nullable(),
    timestamp: time,
    mode: z.enum(modes),
    sentence: z.string(),
    simulated: z.boolean(),
    open_incidents: z.array(incidentSchema),
    recovery_attempts: z.array(attemptSchema),
  })
  .meta({ id: "RecoveryStatus" });

export function toRecoveryStatus(status: ServiceStatus, nowMs: number): z.infer<typeof recoveryStatusSchema> {
  const statistics = status.recoveryStatistics;
  const flags = { mock_generation_enabled: status.isMockEnabled, degraded_mode_active: status.isDegradedActive };
  return {
    recovery_system_active: true,
    health_monitoring_active: status.isHealthMonitored,
    ...flags,
    recovery_statistics: {
      total_attempts: statistics.totalAttempts,
      successful_attempts: statistics.successfulAttempts,
      success_rate: statistics.successRatePercent,
      average_recovery_time: statistics.averageRecoverySeconds,
      failure_types: { ...statistics.failureTypes },
      recovery_actions: { ...statistics.recoveryActions },
      ...flags,
    },
    current_health_status: status.health === null ? null : toHealth(status.health),
    timestamp: isoOf(nowMs),
    mode: status.mode,
    sentence: status.sentence,
    simulated: status.isSimulated,
    open_incidents: status.openIncidents.map(toIncident),
    recovery_attempts: status.recoveryAttempts.map(toAttempt),
  };
}

export const actionsSchema = z
  .strictObject({
    failure_types: z.array(z.enum(failureTypes)),
    recovery_actions: z.array(z.enum(recoveryActions)),
    failure_type_descriptions: z.record(z.string(), z.string()),
    recovery_action_descriptions: z.record(z.string(), z.string()),
  })
  .meta({ id: "RecoveryActions" });

export const toActions = (): z.infer<typeof actionsSchema> => ({
  failure_types: [...failureTypes],
  recovery_actions: [...recoveryActions],
  failure_type_descriptions: { ...failureTypeDescriptions },
  recovery_action_descriptions: { ...recoveryActionDescriptions },
});

export const triggeredSchema = z
  .strictObject({
    recovery_triggered: z.literal(true),
    failure_type: z.enum(failureTypes),
    success: z.boolean(),
    message: z.string(),
    timestamp: time,
    pending: z.boolean(),
    outcome: z.literal("standing_in").optional(),
    real_generation_enabled: z.boolean(),
    incident_id: z.string().optional(),
    actions: z.array(
      z.strictObject({ action: z.enum(recoveryActions), outcome: z.enum(outcomes), reason: z.string() }),
    ),
  })
  .meta({ id: "Triggered" });

export function toTriggered(
  failureType: FailureType,
  triggered: RecoveryTriggered,
  nowMs: number,
): z.infer<typeof triggeredSchema> {
  return {
    recovery_triggered: true,
    failure_type: failureType,
    success: triggered.isSuccess,
    message: triggered.message,
    timestamp: isoOf(nowMs),
    pending: triggered.isPending,
    ...present({ outcome: triggered.isStandingIn ? ("standing_in" as const) : undefined }),
    real_generation_enabled: triggered.isRealGenerationEnabled,
    ...withoutNulls({ incident_id: triggered.incidentId }),
    actions: triggered.actions.map(({ action, outcome, reason }) => ({ action, outcome, reason })),
  };
}

export const resetSchema = z
  .strictObject({
    recovery_state_reset: z.literal(true),
    mock_generation_disabled: z.boolean(),
    real_generation_enabled: z.boolean(),
    /** `none`: no test render is made while the service stops or its workers rest. */
    probe: z.enum(["passed", "running", "failed", "none"]),
    message: z.string(),
    timestamp: time,
  })
  .meta({ id: "Reset" });

export const toReset = (reset: RecoveryReset, nowMs: number): z.infer<typeof resetSchema> => ({
  recovery_state_reset: true,
  mock_generation_disabled: reset.isMockDisabled,
  real_generation_enabled: reset.isRealGenerationEnabled,
  probe: reset.probe,
  message: reset.message,
  timestamp: isoOf(nowMs),
});

/** The legal failure types as the compatible clients know the list: as Python prints it. */
export const failureTypeRefusal = (given: unknown): string =>
  `Invalid failure type: ${typeof given === "string" ? given.slice(0, 64) : "none given"}. Valid types: [${failureTypes.map((type) => `'${type}'`).join(", ")}]`;

export const findFailureType = (given: unknown): FailureType | undefined => failureTypes.find((type) => type === given);
