import type { Actor, SnapshotFrom } from "xstate";
import type { supervisorMachine } from "../machines/supervisor.machine.ts";

/** The running parent actor. */
export type Supervisor = Actor<typeof supervisorMachine>;
export type SupervisorSnapshot = SnapshotFrom<typeof supervisorMachine>;
