/** What those outside may read of the running machines, and the handle by which they ask for something. */
import type { Actor, SnapshotFrom } from "xstate";
import type { supervisorMachine } from "./supervisor.machine.ts";

/** The running parent actor; it alone is sent to, and routes what is meant for its children. */
export type Supervisor = Actor<typeof supervisorMachine>;
export type SupervisorSnapshot = SnapshotFrom<typeof supervisorMachine>;
