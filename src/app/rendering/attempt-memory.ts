/**
 * Remembers on what a card an attempt began. A render that runs out of memory says something about its size only when
 * nobody else had a part of the card from the start.
 */
import type { DeviceMemory } from "../../core/fault.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import { type EnvelopePlace, isCardClean } from "../../recovery/envelopes.ts";

export interface AttemptMemory {
  /** @param memory as it was measured right before the render */
  note(jobId: string, place: EnvelopePlace, model: ModelEntry, memory: DeviceMemory): void;
  /** Whether the last attempt of this job began in this place on a clean card; false when nobody measured it. */
  wasClean(jobId: string, place: EnvelopePlace): boolean;
}

const keptCount = 256;

export function createAttemptMemory(): AttemptMemory {
  const begun = new Map<string, { readonly place: EnvelopePlace; readonly isClean: boolean }>();
  return {
    note: (jobId, place, model, memory) => {
      begun.delete(jobId);
      begun.set(jobId, { place, isClean: isCardClean(memory, { model, profile: place.profile }) });
      const [oldest] = begun.keys();
      if (begun.size > keptCount && oldest !== undefined) begun.delete(oldest);
    },
    wasClean: (jobId, { deviceUuid, profile }) => {
      const known = begun.get(jobId);
      return known?.isClean === true && known.place.deviceUuid === deviceUuid && known.place.profile === profile;
    },
  };
}
