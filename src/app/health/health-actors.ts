/** The one effect of the health monitor machine: the measurements on a timer. The machine judges them. */
import { type AnyEventObject, fromCallback } from "xstate";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { MeasureOptions, TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { Metrics } from "../../telemetry/metrics/metrics.ts";
import type { SampleHistory } from "./sample-history.ts";

export interface HealthNeeds {
  readonly clock: Clock;
  readonly probe: Pick<TelemetryProbe, "measure">;
  readonly samples: Pick<SampleHistory, "note">;
  readonly metrics: Pick<Metrics, "sample">;
}

/**
 * Measures every `everyMs`, and at once when a sample is wanted; one measurement at a time: a slow one delays the next
 * and never overlaps it.
 */
export const healthActors = (parts: HealthNeeds) => ({
  takeSamples: fromCallback<AnyEventObject, { readonly everyMs: number }>(({ input, sendBack, receive }) => {
    let timer: TimerHandle | undefined;
    let isOver = false;
    let isMeasuring = false;
    const take = async (options: MeasureOptions): Promise<void> => {
      parts.clock.clearTimer(timer);
      isMeasuring = true;
      try {
        const sample = await parts.probe.measure(options);
        if (isOver) return;
        parts.metrics.sample(sample);
        parts.samples.note(sample);
        sendBack({ type: "sample.taken", sample });
      } catch (thrown) {
        parts.metrics.sample(null);
        if (!isOver) sendBack({ type: "sample.failed", message: messageOf(thrown), atMs: parts.clock.nowMs() });
      }
      isMeasuring = false;
      if (!isOver) timer = parts.clock.setTimer(() => void take({}), input.everyMs);
    };
    receive((event) => {
      if (event.type === "sample.wanted" && !isMeasuring) void take({ maxAgeMs: 0 });
    });
    void take({});
    return () => {
      isOver = true;
      parts.clock.clearTimer(timer);
      // What was measured last is not shown for what is so now.
      parts.metrics.sample(null);
    };
  }),
});
