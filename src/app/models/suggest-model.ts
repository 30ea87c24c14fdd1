/**
 * Answers which model and size to take for a wish, before a job is submitted. It goes by the same placement table as
 * the loads.
 */
import type { Config } from "../../config/schema.ts";
import type { SuggestionView } from "../../contract/model-views.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelEntry } from "../../core/model-entry.ts";
import { needsImage, resolutionsOf } from "../../core/model-figures.ts";
import { sizeOfText } from "../../core/pixel-size.ts";
import type { ModelId } from "../../core/words.ts";
import type { ServingMachine } from "../../jobs/admission.ts";
import { profilesFrom } from "../../jobs/fit.ts";
import { emptyEnvelopes } from "../../recovery/envelopes.ts";
import { clipWords, deviceWords } from "../../recovery/fit-sentences.ts";
import { type Clip, placementRow } from "../../recovery/placement.ts";
import type { LearnedClipTimes } from "../rendering/learned.ts";

export interface SuggestNeeds {
  readonly catalog: ModelCatalog;
  readonly config: Pick<Config, "loadProfile">;
  readonly clips: Pick<LearnedClipTimes, "timeOf">;
}

interface Wish {
  readonly model: ModelId;
  readonly width: number;
  readonly height: number;
  readonly maxWaitMs: number | null;
}

const pixelsOf = ({ width, height }: Pick<Clip, "width" | "height">): number => width * height;

/** The wish, then smaller sizes of its model, then the same of the others: models that ask for the same input first. */
function* candidates(
  catalog: ModelCatalog,
  { model: wanted, width, height }: Wish,
): Generator<readonly [ModelEntry, Clip]> {
  const model = catalog.entryOf(wanted);
  const asksFor = (one: ModelEntry): number => Number(one !== model) + Number(needsImage(one) !== needsImage(model));
  for (const one of catalog.entries.toSorted((a, b) => asksFor(a) - asksFor(b))) {
    const { defaultFrames: frames, defaultSteps: steps } = one;
    const smaller = resolutionsOf(one)
      .map((text) => ({ ...sizeOfText(text), frames, steps }))
      .filter((clip) => pixelsOf(clip) < pixelsOf({ width, height }))
      .toSorted((a, b) => pixelsOf(b) - pixelsOf(a));
    yield [one, { width, height, frames, steps }];
    for (const clip of smaller) yield [one, clip];
  }
}

/**
 * What would be served in place of a wish: it itself where it fits and is quick enough, else what comes nearest. A wait that
 * nobody knows is no reason against it, and is said. Throws UnderstudyError MODEL_DOES_NOT_FIT when nothing is carried.
 */
export function suggestModel(
  { catalog, config, clips }: SuggestNeeds,
  serving: ServingMachine | null,
  wish: Wish,
): SuggestionView {
  const { model, width, height, maxWaitMs } = wish;
  const asked = { model, width, height };
  if (serving === null)
    return {
      ...asked,
      isRequested: true,
      profile: null,
      waitMs: null,
      reason: "No worker has told yet what its card is: whether it fits is unknown.",
    };
  const { machine } = serving;
  const offered = profilesFrom(config.loadProfile).filter((profile) => serving.profiles.includes(profile));
  for (const [one, clip] of candidates(catalog, wish)) {
    const profile = offered.find(
      (mode) => placementRow(machine, { model: one, ...clip }, mode, emptyEnvelopes).verdict !== "tooLarge",
    );
    if (profile === undefined) continue;
    const time = clips.timeOf({ device: machine.device, model: one, clip, profile });
    const waitMs = time.kind === "known" ? time.ms : null;
    if (maxWaitMs !== null && waitMs !== null && waitMs > maxWaitMs) continue;
    const isRequested = one.id === model && clip.width === width && clip.height === height;
    const how = `${one.id} at ${clipWords(clip)} fits ${deviceWords(machine.device)} in memory mode ${profile}`;
    const wait = time.kind === "known" ? time.basis : `how long it takes is unknown: ${time.why}`;
    return {
      model: one.id,
      isRequested,
      width: clip.width,
      height: clip.height,
      profile,
      waitMs,
      reason: `${how}; ${wait}.`,
    };
  }
  throw new UnderstudyError(
    "MODEL_DOES_NOT_FIT",
    `No model of the registry fits ${deviceWords(machine.device)} within these wishes.`,
  );
}
