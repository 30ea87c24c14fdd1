/**
 * Tells diffusers workers which models there are and where their files lie. The list and the links are written under
 * the state directory, because a worker reads files and asks no supervisor.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelId } from "../../core/words.ts";
import { toWorkerEntry } from "../../models/registry-forms.ts";

/** The models as real workers see them: a list that they read at their start, and a place for each one's files. */
export interface WorkerModels {
  readonly listPath: string;
  readonly modelsDir: string;
  /** From now on the model's files are these: a pull gives them another folder with each revision. */
  place(model: ModelId, folder: string): void;
}

/** Written anew at each start: nothing of it is kept. */
export function createWorkerModels(stateDir: string, { entries }: ModelCatalog): WorkerModels {
  const modelsDir = resolve(stateDir, "run", "models");
  mkdirSync(modelsDir, { recursive: true, mode: 0o700 });
  const placeOf = (model: ModelId): string => join(modelsDir, model);
  const listPath = join(modelsDir, "models.json");
  // What only a worker of one's own renders, no pipeline class loads.
  const ofDiffusers = entries.filter(({ pipeline }) => pipeline.className !== "none");
  const list = Object.fromEntries(ofDiffusers.map((entry) => [entry.id, toWorkerEntry(entry, placeOf(entry.id))]));
  writeFileSync(listPath, JSON.stringify(list, null, 2));
  return {
    listPath,
    modelsDir,
    place: (model, folder) => {
      const next = `${placeOf(model)}.new`;
      rmSync(next, { force: true });
      symlinkSync(resolve(folder), next);
      // The link changes in one step: a worker that loads meets the former files or these.
      renameSync(next, placeOf(model));
    },
  };
}
