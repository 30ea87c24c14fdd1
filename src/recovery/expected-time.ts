/**
 * When a video may be expected: by what the last renders of this service took, scaled to the sizes that wait. Where nothing
 * is known nothing is said: a number without a basis would be a promise.
 */
import type { ModelCatalog } from "../core/model-catalog.ts";
import { stepSeconds } from "../core/model-figures.ts";
import type { ModelId } from "../core/words.ts";
import { quantile } from "./step-history.ts";

/** What decides how long a render takes. */
export interface RenderSize {
  readonly model: ModelId;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly steps: number;
}

export interface TimedRender extends RenderSize {
  readonly tookMs: number;
}

/** Encode, decode and mux together take about as long as this many denoise steps, on cards and in the simulator. */
const otherSteps = 5;

function workOf(catalog: ModelCatalog, size: RenderSize): number | null {
  const model = catalog.find(size.model);
  return model === undefined ? null : stepSeconds(model, size, "model-offload") * (size.steps + otherSteps);
}

const isSameSize = (one: RenderSize, other: RenderSize): boolean =>
  one.model === other.model &&
  one.width === other.width &&
  one.height === other.height &&
  one.frames === other.frames &&
  one.steps === other.steps;

/** How long such a render takes, in ms: as its own size did, else scaled from the sizes that were rendered; null when none was. */
export function expectRenderMs(
  catalog: ModelCatalog,
  recent: readonly TimedRender[],
  wanted: RenderSize,
): number | null {
  const same = recent.filter((render) => isSameSize(render, wanted)).map(({ tookMs }) => tookMs);
  if (same.length > 0) return quantile(same, 0.5);
  const wantedWork = workOf(catalog, wanted);
  const paces = recent.flatMap((render) => {
    const work = workOf(catalog, render);
    return work === null ? [] : [render.tookMs / work];
  });
  const pace = quantile(paces, 0.5);
  return pace === null || wantedWork === null ? null : pace * wantedWork;
}

export interface WaitQuestion {
  /** How long each render takes that goes before; null where that is not known. */
  readonly aheadMs: readonly (number | null)[];
  /** One for each worker that takes jobs: what is left of the render in its hand, 0 while it has none, null while nobody knows. */
  readonly leftMs: readonly (number | null)[];
}

/** The time until a worker is free for the next job, in ms: each takes what waits when it is free. Null where nothing can be said. */
export function expectTurnMs({ aheadMs, leftMs }: WaitQuestion): number | null {
  if (leftMs.length === 0) return null;
  const freeInMs: number[] = [];
  for (const ms of leftMs) {
    if (ms === null) return null;
    freeInMs.push(ms);
  }
  for (const ms of aheadMs) {
    if (ms === null) return null;
    const soonest = freeInMs.indexOf(Math.min(...freeInMs));
    freeInMs[soonest] = (freeInMs[soonest] ?? 0) + ms;
  }
  return Math.round(Math.min(...freeInMs));
}
