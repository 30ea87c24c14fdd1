/** Where deliveries may go, and how often they are tried. */
import { z } from "zod";
import { duration, group, listOf, live, secret, wholeNumber } from "./fields.ts";

/** A name, an address, or a network such as 10.1.0.0/16. */
const listedHost = z.union(
  [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6(), z.string().regex(/^(?!\d+(\.\d+)*$)[A-Za-z0-9.-]{1,253}$/)],
  {
    error: "must be a host name, an address or a network such as 10.1.0.0/16",
  },
);

export const webhookSchema = group({
  secret: secret(
    z
      .string()
      .min(24, "must have at least 24 characters")
      .max(512)
      .nullable()
      .default(null)
      .describe(
        "Key of the signatures; only from the environment, or from a file that it names. Without it no job may have a webhook.",
      ),
  ),
  allow: live(
    listOf(listedHost)
      .prefault([])
      .describe("Names, addresses and networks (10.1.0.0/16) that webhooks may have although they are not public."),
  ),
  tries: live(
    wholeNumber(12, { min: 1, max: 1_000 }).describe("Tries of one delivery until it is given up; the job shows it."),
  ),
  retryFirst: live(duration("5s", { min: "100ms", max: "1h" }).describe("Wait after its first failure; doubles.")),
  retryLongest: live(duration("1h", { min: "100ms", max: "24h" }).describe("Longest such wait.")),
  answer: live(
    duration("10s", { min: "100ms", max: "5m" }).describe(
      "How long a receiver may take, looking its name up included.",
    ),
  ),
})
  .prefault({})
  .transform(({ allow, tries, retryFirst, retryLongest, answer, ...rest }) => ({
    ...rest,
    allow,
    tryCount: tries,
    retryFirstMs: retryFirst,
    retryLongestMs: retryLongest,
    answerMs: answer,
  }));
