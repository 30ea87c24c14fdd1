import { beforeAll, describe, expect, it } from "vitest";
import { type Replay, replayIncident } from "../../src/app/incidents/incident-replay.ts";
import type { TimelineRow } from "../../src/core/events.ts";
import { runSimulation } from "../simulation/simulation.ts";

/** Rows as they come back from the database. */
const stored = (row: TimelineRow): TimelineRow => JSON.parse(JSON.stringify(row)) as TimelineRow;

const isFirstStep = (row: TimelineRow): boolean =>
  row.kind === "machine.transitioned" && row.data.event === "xstate.init";

/** Nobody works on such an incident, so that there is nothing to replay. */
const isSetAside = (row: TimelineRow): boolean => row.kind === "incident.opened" && row.data.is_set_aside === true;

/** A disk that was full when an incident began kept no fact of it, and only the steps that waited in memory. */
const isOpening = (row: TimelineRow): boolean => row.kind === "incident.opened";

async function incidentsOf(seed: number, hours: number): Promise<Map<string, TimelineRow[]>> {
  const byIncident = new Map<string, TimelineRow[]>();
  const onRow = (row: TimelineRow): void => {
    if (row.incidentId === null) return;
    const key = `seed ${seed}, ${row.incidentId}`;
    byIncident.set(key, [...(byIncident.get(key) ?? []), stored(row)]);
  };
  await runSimulation({ seed, hours, faultsPerHour: 4, crashesPerHour: 1, onRow });
  return byIncident;
}

const problemsOf = (replay: Replay | null): unknown[] =>
  replay === null
    ? ["there is no first step"]
    : replay.lives.flatMap(({ steps, differences }) => [
        ...steps.flatMap(({ difference }) => difference ?? []),
        ...differences,
      ]);

describe("the rows of every simulated incident", { timeout: 120_000 }, () => {
  let incidents: Map<string, TimelineRow[]>;
  beforeAll(async () => {
    const all = [...(await incidentsOf(11, 24)), ...(await incidentsOf(12, 24))];
    incidents = new Map(all.filter(([, rows]) => rows.some(isOpening) && !rows.some(isSetAside)));
  }, 120_000);

  it("give the same states, reports and facts when they are replayed", () => {
    for (const [id, rows] of incidents) expect(problemsOf(replayIncident(rows)), id).toEqual([]);
    const lives = [...incidents.values()].flatMap((rows) => replayIncident(rows)?.lives ?? []);
    const states = new Set(lives.flatMap(({ steps }) => steps.map((step) => step.to)));
    console.log(
      `replay: ${incidents.size} incidents, ${lives.length} lives, ${lives.flatMap(({ steps }) => steps).length} steps, ${states.size} states`,
    );
    expect(incidents.size).toBeGreaterThan(30);
    // Incidents that a crash of the supervisor cut in two are among them.
    expect(lives.length).toBeGreaterThan(incidents.size);
    expect([...states]).toEqual(
      expect.arrayContaining(["resolved", "standingIn", "probing", "verifying.runningCanary", "returning"]),
    );
  });

  it("are found out when somebody changed one of them", () => {
    const [rows] = [...incidents.values()].filter(
      (kept) => kept.some((row) => row.kind === "rung.ended") && kept.at(-1)?.kind === "machine.transitioned",
    );
    if (rows === undefined) throw new Error("no incident has a rung and an end");
    const tampered = (isIt: (row: TimelineRow) => boolean, data: Record<string, unknown>): unknown => {
      const index = rows.findIndex(isIt);
      const changed = rows.map((row, at) =>
        at === index ? ({ ...row, data: { ...row.data, ...data } } as TimelineRow) : row,
      );
      return problemsOf(replayIncident(changed))[0];
    };
    const without = (isIt: (row: TimelineRow) => boolean): unknown => {
      const index = rows.findIndex(isIt);
      return problemsOf(replayIncident(rows.filter((_, at) => at !== index)))[0];
    };
    const isStep = (row: TimelineRow): boolean => row.kind === "machine.transitioned";
    const isSecondStep = (row: TimelineRow): boolean => isStep(row) && !isFirstStep(row);
    expect(tampered((row) => row.kind === "rung.ended", { outcome: "unknown" })).toMatchObject({
      where: expect.stringMatching(/^row \d+, rung.ended$/),
    });
    expect(tampered(isSecondStep, { to: "exhausted" })).toMatchObject({
      recorded: "exhausted",
      where: expect.stringContaining("the state"),
    });
    expect(tampered(isSecondStep, { event: "recovery.stop" })).toMatchObject({ replayed: "stopped" });
    expect(without((row) => row.kind === "rung.ended")).toMatchObject({
      replayed: expect.stringContaining("rung.ended"),
    });
    expect(without(isSecondStep)).toMatchObject({ replayed: expect.stringContaining("rows are missing") });
    expect(without((row) => row.kind === "incident.closed")).toMatchObject({ recorded: "nothing" });
  });

  it("cannot be replayed when the first step is gone", () => {
    const [rows = []] = incidents.values();
    expect(replayIncident(rows.filter((row) => !isFirstStep(row)))).toBeNull();
  });
});
