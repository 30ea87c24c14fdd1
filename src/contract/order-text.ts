/**
 * The canonical text of an order, which a repeated idempotency key must ask for again: neither order nor spelling of the fields
 * counts, nor does a drawn seed, and an image counts by its hash. Each way in has a text of its own, because a key belongs to
 * one way in, and because the texts are kept: one that changed would refuse the repetitions of orders from before.
 */
import type { Floor } from "../core/job.ts";
import type { JobSubmission } from "./jobs-wire.ts";
import type { SubmitFields } from "./submit-request.ts";

const given = (fields: object): [string, unknown][] =>
  Object.entries(fields).filter(([, value]) => value !== undefined);

export const compatibleOrderText = (fields: SubmitFields, imageHashes: readonly string[]): string =>
  JSON.stringify([given(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)), imageHashes]);

export const videoOrderText = (
  fields: SubmitFields,
  floor: Floor | undefined,
  imageHashes: readonly string[],
): string => JSON.stringify(["videos", compatibleOrderText(fields, imageHashes), floor ?? null]);

export const jobOrderText = ({ image: _image, ...fields }: JobSubmission, imageHash: string | null): string =>
  JSON.stringify(["job", given(fields), imageHash]);
