/**
 * Metrics of cards, host and disk as last measured. What nobody measured has no series, and a machine without a card
 * has none for cards.
 */
import type { GpuSample, Sample } from "../../core/ports/telemetry-probe.ts";
import { type Families, setMeasured } from "./families.ts";

export interface DeviceMetrics {
  /** Takes the newest sample; null when the last try could not measure anything. */
  sample(sample: Sample | null): void;
}

export function createDeviceMetrics(families: Families): DeviceMetrics {
  const used = families.gauge("gpu_memory_used_bytes", "Memory of the card in use, what the driver holds included.", [
    "gpu",
  ]);
  const total = families.gauge("gpu_memory_total_bytes", "Memory of the card.", ["gpu"]);
  const utilization = families.gauge("gpu_utilization_ratio", "Share of the time in which the card computes.", ["gpu"]);
  const temperature = families.gauge("gpu_temperature_celsius", "Temperature of the card.", ["gpu"]);
  const power = families.gauge("gpu_power_watts", "Power that the card draws.", ["gpu"]);
  const errors = families.gauge("gpu_uncorrected_ecc_errors", "Uncorrected memory errors that the card counts.", [
    "gpu",
  ]);
  const kind = families.gauge("gpu_info", "1 for each card, with how it is measured.", ["gpu", "name", "kind"]);
  const cpu = families.gauge("host_cpu_utilization_ratio", "Share of the CPU in use; inside a container of its limit.");
  const memoryUsed = families.gauge(
    "host_memory_used_bytes",
    "Memory of the host in use; inside a container of its limit.",
  );
  const memoryTotal = families.gauge("host_memory_total_bytes", "Memory of the host; inside a container its limit.");
  const disk = families.gauge("disk_free_bytes", "Free space of the file system.", ["mount"]);
  const ofCards = [used, total, utilization, temperature, power, errors, kind];

  const noteCard = (card: GpuSample, gpuKind: Sample["gpuKind"]): void => {
    const labels = { gpu: card.uuid };
    kind.set({ ...labels, name: card.name, kind: gpuKind }, 1);
    setMeasured(used, labels, card.usedBytes);
    setMeasured(total, labels, card.totalBytes);
    setMeasured(utilization, labels, card.utilizationRatio);
    setMeasured(temperature, labels, card.temperatureCelsius);
    setMeasured(power, labels, card.details?.powerWatts ?? null);
    setMeasured(errors, labels, card.details?.uncorrectedEccCount ?? null);
  };
  return {
    sample: (sample) => {
      // A card that is no longer listed, or was measured too long ago to be shown, must not stay with its last figure.
      for (const gauge of ofCards) gauge.reset();
      const isKnown = sample !== null && (sample.gpuStatus?.state ?? "measured") === "measured";
      for (const card of isKnown ? sample.gpus : []) noteCard(card, sample?.gpuKind ?? "absent");
      setMeasured(cpu, {}, sample?.host.cpuRatio ?? null);
      setMeasured(memoryUsed, {}, sample?.host.memoryUsedBytes ?? null);
      setMeasured(memoryTotal, {}, sample?.host.memoryTotalBytes ?? null);
      setMeasured(disk, { mount: "state_dir" }, sample?.host.diskFreeBytes ?? null);
    },
  };
}
