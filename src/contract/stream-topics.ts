/** What a client of the event stream may ask for: the first word of a row's kind belongs to one topic. */
export const streamTopics = ["jobs", "incidents", "workers", "health", "machines", "service"] as const;
export type StreamTopic = (typeof streamTopics)[number];

const subjects: Readonly<Record<StreamTopic, readonly string[]>> = {
  jobs: ["job", "render", "webhook"],
  incidents: ["incident", "rung", "climb", "canary", "cooldown", "breaker", "budget", "recovery"],
  workers: ["worker", "model", "pipeline", "child"],
  health: ["health"],
  machines: ["machine"],
  // And whatever has no topic of its own.
  service: [],
};

const topicOfSubject = new Map(streamTopics.flatMap((topic) => subjects[topic].map((subject) => [subject, topic] as const)));

export const topicOfKind = (kind: string): StreamTopic => topicOfSubject.get(kind.slice(0, kind.indexOf("."))) ?? "service";

/** `jobs,health` → both; absent = all. Null where a name is none of ours. */
export function parseTopics(text: string | undefined): ReadonlySet<StreamTopic> | null {
  if (text === undefined) return new Set(streamTopics);
  const asked = text.split(",").map((name) => name.trim());
  const known = streamTopics.filter((topic) => asked.includes(topic));
  return known.length === new Set(asked).size ? new Set(known) : null;
}
