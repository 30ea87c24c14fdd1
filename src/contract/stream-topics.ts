/** What a client of the event stream may ask for: the first word of a row's kind belongs to one topic. */
import { z } from "zod";

const streamTopics = ["jobs", "incidents", "workers", "health", "machines", "service"] as const;
export type StreamTopic = (typeof streamTopics)[number];

const subjects: Readonly<Record<StreamTopic, readonly string[]>> = {
  jobs: ["job", "render", "webhook"],
  incidents: ["incident", "rung", "climb", "canary", "cooldown", "breaker", "budget", "recovery"],
  workers: ["worker", "model", "pipeline", "child"],
  health: ["health", "monitoring"],
  machines: ["machine"],
  // And whatever has no topic of its own.
  service: [],
};

const topicOfSubject = new Map(
  streamTopics.flatMap((topic) => subjects[topic].map((subject) => [subject, topic] as const)),
);

export const topicOfKind = (kind: string): StreamTopic =>
  topicOfSubject.get(kind.slice(0, kind.indexOf("."))) ?? "service";

const anyTopic = `(?:${streamTopics.join("|")})`;

/** `jobs,health` */
export const topicsParam = z
  .string()
  .regex(
    new RegExp(`^${anyTopic}(?:,${anyTopic})*$`),
    `must be some of ${streamTopics.join(", ")}, with commas between`,
  )
  .optional()
  .describe("What is sent of rows and frames; everything without it. With health come incidents.");

/** Whoever asks for health is told of incidents too: they are what a host or a card that is not well leads to. */
export function topicsOf(text: string | undefined): ReadonlySet<StreamTopic> {
  const asked: readonly string[] = text?.split(",") ?? streamTopics;
  const isMeant = (topic: StreamTopic): boolean =>
    asked.includes(topic) || (topic === "incidents" && asked.includes("health"));
  return new Set(streamTopics.filter(isMeant));
}
