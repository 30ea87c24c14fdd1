/** Reads what every surface says at one moment, and finds where two of them contradict each other. */
import type { Mode } from "../../src/core/words.ts";
import { ask } from "./ask.ts";
import type { World } from "./world.ts";

interface Surface {
  readonly name: string;
  readonly mode: string;
  readonly sentence: string | null;
}

const readers: readonly {
  readonly path: string;
  readonly read: (body: Record<string, unknown>) => Omit<Surface, "name">;
}[] = [
  {
    path: "/api/v1/recovery/status",
    read: ({ mode, sentence }) => ({ mode: String(mode), sentence: String(sentence) }),
  },
  { path: "/readyz", read: ({ mode, message }) => ({ mode: String(mode), sentence: String(message) }) },
  { path: "/api/v1/status", read: ({ mode, sentence }) => ({ mode: String(mode), sentence: String(sentence) }) },
  { path: "/health", read: ({ mode }) => ({ mode: String(mode), sentence: null }) },
];

const modeOfMetrics = (text: string): string | null => /^understudy_mode\{mode="(\w+)"\} 1$/m.exec(text)?.[1] ?? null;
const breakersOfMetrics = (text: string): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(/^understudy_breaker_state\{worker="([^"]+)",state="(\w+)"\} 1$/gm)].map(
      ([, worker = "", state = ""]) => [worker, state],
    ),
  );

async function readSurface(world: World, { path, read }: (typeof readers)[number]): Promise<Surface | null> {
  const response = await ask(world, path);
  if (response?.status !== 200) return null;
  return { name: path, ...read((await response.json()) as Record<string, unknown>) };
}

async function readMetrics(world: World): Promise<{ readonly surface: Surface | null; readonly problems: string[] }> {
  const response = await ask(world, "/metrics");
  if (response?.status !== 200) return { surface: null, problems: [] };
  const text = await response.text();
  const mode = modeOfMetrics(text);
  const workers = world.current?.service.supervisor.getSnapshot().context.workers ?? {};
  const problems = [...breakersOfMetrics(text)].flatMap(([worker, state]) =>
    workers[worker]?.breaker === state ? [] : [`/metrics says that the breaker of ${worker} is ${state}`],
  );
  return { surface: mode === null ? null : { name: "/metrics", mode, sentence: null }, problems };
}

/** What the surfaces say now, and their contradictions; nothing is compared across a change of the mode. */
export async function compareSurfaces(world: World): Promise<readonly string[]> {
  const modeNow = (): Mode | undefined => world.current?.service.supervisor.getSnapshot().context.mode;
  const { current } = world;
  const before = modeNow();
  const shown = await Promise.all(readers.map((reader) => readSurface(world, reader)));
  const metrics = await readMetrics(world);
  if (world.current !== current || modeNow() !== before || before === undefined) return [];
  const all = [...shown, metrics.surface].filter((surface) => surface !== null);
  const sentences = new Set(all.map(({ sentence }) => sentence).filter((sentence) => sentence !== null));
  return [
    ...all
      .filter(({ mode }) => mode !== before)
      .map(({ name, mode }) => `${name} says mode ${mode}, and it is ${before}`),
    ...(sentences.size > 1 ? [`the surfaces say different sentences: ${[...sentences].join(" / ")}`] : []),
    ...metrics.problems,
  ];
}
