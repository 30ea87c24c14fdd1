/**
 * A model's name in requests. Its form alone is checked here; whether it is known depends on the service's catalogue.
 */
import { z } from "zod";
import { modelNamePattern } from "../core/words.ts";

/** A name of the catalogue, in a message whose sender knows the catalogue. */
export const modelName = z.string().regex(modelNamePattern, "must be letters, digits, dots, hyphens and underscores");
