/** Every route that has an answer for programs, by the file that defines it. Clients are typed by it. */
import * as document from "./document-api.ts";
import * as drills from "./drill-api.ts";
import * as generation from "./generation-api.ts";
import * as incidents from "./incident-api.ts";
import * as intake from "./intake-api.ts";
import * as jobs from "./jobs-api.ts";
import * as machines from "./machine-api.ts";
import * as models from "./model-api.ts";
import * as outputs from "./output-api.ts";
import * as probes from "./probe-api.ts";
import * as queue from "./queue-api.ts";
import * as recovery from "./recovery-api.ts";
import * as simulator from "./simulator-api.ts";
import * as status from "./status-api.ts";
import * as streams from "./stream-api.ts";
import * as system from "./system-api.ts";
import * as videos from "./videos-api.ts";

export const routeFiles = {
  document,
  drills,
  generation,
  incidents,
  intake,
  jobs,
  machines,
  models,
  outputs,
  probes,
  queue,
  recovery,
  simulator,
  status,
  streams,
  system,
  videos,
};

type ValueOf<Group> = Group[keyof Group];

/** The route definitions among all that those files export. */
export type AnyRoute = ValueOf<{
  [File in keyof typeof routeFiles]: Extract<ValueOf<(typeof routeFiles)[File]>, { readonly method: string }>;
}>;
