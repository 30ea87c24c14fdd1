/** The one effect of the health monitor machine: the measurements on a timer. The machine judges them. */
import { type AnyEventObject, fromCallback } from "xstate";
import type { Clock, TimerHandle } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { TelemetryProbe } from "../../core/ports/telemetry-probe.ts";
import type { Metrics } from "../../telemetry/metrics/metrics.ts";
import type { SampleHistory } from "./sample-history.ts";

export interface HealthNeeds {
  readonly clock: Clock;
  readonly probe: Pick<TelemetryProbe, "measure">;
  readonly samples: Pick<SampleHistory, "note">;
  readonly metrics: Pick<Metrics, "sample">;
}

/** Measures every `everyMs`, one measurement at a time; a slow one delays the next and never overlaps it. */
export const healthActors = (parts: HealthNeeds) => ({
  takeSamples: fromCallback<AnyEventObject, { readonly everyMs: number }>(({ input, sendBack }) => {
    let timer: TimerHandle | undefined;
    let isOver = false;
    const take = async (): Promise<void> => {
      try {
        const sample = await parts.probe.measure();
        parts.metrics.sample(sample);
        if (isOver) return;
        parts.samples.note(sample);
        sendBack({ type: "sample.taken", sample });
      } catch (thrown) {
        parts.metrics.sample(null);
        if (!isOver) sendBack({ type: "sample.failed", message: messageOf(thrown), atMs: parts.clock.nowMs() });
      }
      if (!isOver) timer = parts.clock.setTimer(() => void take(), input.everyMs);
    };
    void take();
    return () => {
      isOver = true;
      parts.clock.clearTimer(timer);
    };
  }),
});
