/** Everything that this configuration stands on, looked at once: what is there, what is missing, and what a person does about it. */
import { join, resolve } from "node:path";
import type { HubEnvironment } from "../../config/hub-environment.ts";
import type { Config } from "../../config/schema.ts";
import { createSystemChance } from "../../core/chance.ts";
import { createSystemClock, type SystemClock } from "../../core/clock.ts";
import { UnderstudyError } from "../../core/errors.ts";
import type { ModelCatalog } from "../../core/model-catalog.ts";
import type { ModelCache } from "../../core/ports/model-cache.ts";
import type { Sample } from "../../core/ports/telemetry-probe.ts";
import { gibibyte } from "../../core/units.ts";
import { readFacts } from "../../store/read-facts.ts";
import { installedPython } from "../../workers/diffusers-command.ts";
import { measureOnce } from "../health/look-at-machine.ts";
import { openFitness } from "../models/fitness.ts";
import { readModelCatalog } from "../models/known-models.ts";
import { openModels } from "../models/open-models.ts";
import {
  checkAdoption,
  checkCard,
  checkControlGroup,
  checkDriver,
  checkKernelLog,
  checkPressure,
} from "./card-checks.ts";
import { type Finding, missing, ok, unknown } from "./finding.ts";
import { checkDisk, checkMemory, checkNode, checkPort, checkStateDir } from "./host-checks.ts";
import { checkHub, judgeModel } from "./model-checks.ts";
import { checkPython } from "./python-checks.ts";

type Said = Omit<Finding, "name" | "isNeeded">;

interface Check {
  readonly name: string;
  readonly isNeeded: boolean;
  readonly look: () => Said | Promise<Said>;
}

interface Round {
  readonly config: Config;
  readonly cacheDir: string;
  readonly hubHost: string;
  readonly clock: SystemClock;
  readonly catalog: ModelCatalog;
  readonly cache: ModelCache;
  readonly sample: Sample | null;
}

/** What the service and its libraries need, without any weights. */
const serviceBytes = gibibyte;

const isReal = ({ kind }: Config["workers"][number]): boolean => kind !== "simulator";

/** Models that a real worker would hold; without one, those that it would need. */
function realModels({ workers, lead, alternative }: Config): readonly string[] {
  const named = [lead, ...(alternative === null ? [] : [alternative])];
  const real = workers.filter(isReal);
  return real.length === 0 ? named : named.filter((model) => real.some(({ models }) => models.includes(model)));
}

function hostChecks({ config, sample }: Round): readonly Check[] {
  const { stateDir, disk } = config;
  const needed = (name: string, look: Check["look"]): Check => ({ name, isNeeded: true, look });
  return [
    needed("node", () => checkNode(process.versions.node)),
    needed("state directory", () => checkStateDir(config)),
    needed("database", () => {
      readFacts(join(stateDir, "understudy.db"));
      return ok("What earlier runs kept can be read.");
    }),
    needed("disk", () => checkDisk(stateDir, disk.minFreeBytes + disk.ballastBytes, "database and videos")),
    needed("port", () => checkPort(config)),
    needed("memory", () => checkMemory(sample, serviceBytes, "the service and its helpers")),
  ];
}

/** What real renders need. A simulated service does without all of it. */
function renderChecks(
  { config, cacheDir, hubHost, clock, catalog, cache, sample }: Round,
  lead: string,
  isLeadHere: boolean,
): readonly Check[] {
  const real = config.workers.filter(isReal);
  const isNeeded = real.length > 0;
  const wantsCard =
    real.some(({ device }) => device === "cuda") ||
    (sample !== null && sample.gpus.length > 0 && real.some(({ device }) => device === "auto"));
  const pythons = [...new Set((isNeeded ? real : config.workers).map(({ python }) => python ?? installedPython))];
  return [
    {
      name: "card",
      isNeeded: isNeeded && real.some(({ device }) => device === "cuda"),
      look: () => checkCard(sample, config),
    },
    { name: "driver", isNeeded: false, look: () => checkDriver(sample) },
    ...pythons.map(
      (python): Check => ({ name: "python", isNeeded, look: () => checkPython(clock, python, wantsCard) }),
    ),
    {
      name: "hub",
      isNeeded: isNeeded && !isLeadHere,
      look: () => checkHub(cache, lead, hubHost),
    },
    {
      name: "model disk",
      isNeeded,
      look: async () => {
        const { state, totalBytes, presentBytes } = await cache.statusOf(lead);
        const restBytes = state === "complete" ? 0 : (totalBytes ?? catalog.entryOf(lead).weightBytes) - presentBytes;
        return checkDisk(
          cacheDir,
          restBytes + (restBytes > 0 ? config.models.marginBytes : 0),
          `the files of ${lead} that are not here yet`,
        );
      },
    },
  ];
}

function modelChecks({ config, catalog, cache, sample }: Round, models: readonly string[]): readonly Check[] {
  const isServed = config.workers.some(isReal);
  return models.map((model) => ({
    name: `model ${model}`,
    isNeeded: isServed && model === config.lead,
    look: async () =>
      sample === null
        ? unknown("The machine could not be measured.")
        : judgeModel(openFitness(config, catalog, sample), model, await cache.statusOf(model)),
  }));
}

const platformChecks = ({ sample }: Round): readonly Check[] => [
  { name: "adoption", isNeeded: false, look: () => checkAdoption() },
  { name: "control group", isNeeded: false, look: () => checkControlGroup(sample) },
  { name: "pressure", isNeeded: false, look: () => checkPressure(sample) },
  { name: "kernel log", isNeeded: false, look: () => checkKernelLog() },
];

/** A check that throws what it can name has found something; anything else is a defect of this program. */
async function examine({ name, isNeeded, look }: Check): Promise<Finding> {
  try {
    return { name, isNeeded, ...(await look()) };
  } catch (thrown) {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return { name, isNeeded, ...missing(thrown.message, "Do what the sentence says, and look again.") };
  }
}

/** Null when the host cannot be measured at all. */
const sampleOf = (config: Config, clock: SystemClock): Promise<Sample | null> =>
  measureOnce(config, clock).catch((thrown: unknown) => {
    if (!(thrown instanceof UnderstudyError)) throw thrown;
    return null;
  });

/** Throws UnderstudyError CONFIGURATION_INVALID. Nothing is started, fetched, locked or changed. */
export async function runDoctor(config: Config, environment: HubEnvironment): Promise<readonly Finding[]> {
  const catalog = readModelCatalog(config);
  const clock = createSystemClock();
  const cache = openModels(config, environment, { clock, chance: createSystemChance(), catalog });
  try {
    const round: Round = {
      config,
      cacheDir: resolve(environment.cacheDir),
      hubHost: new URL(environment.endpoint).host,
      clock,
      catalog,
      cache,
      sample: await sampleOf(config, clock),
    };
    const models = realModels(config);
    const [lead = config.lead] = models;
    const { state } = await cache.statusOf(lead);
    const checks = [
      ...hostChecks(round),
      ...renderChecks(round, lead, state === "complete"),
      ...modelChecks(round, models),
      ...platformChecks(round),
    ];
    return await Promise.all(checks.map(examine));
  } finally {
    await cache.close();
    clock.stop();
  }
}
