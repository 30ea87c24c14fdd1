/**
 * The HTTP application: safety first, then one file of routes a resource.
 * Usable by `app.request(…)` without a socket; `listen.ts` puts it on one.
 */
import { answerLog, notingJobs } from "./answer-log.ts";
import { createApiApp } from "./api-app.ts";
import type { AppOptions, ServerApp } from "./http-types.ts";
import { createOpenStreams } from "./open-streams.ts";
import { registerSecurity } from "./openapi-document.ts";
import { installProblems } from "./problems.ts";
import { addDocumentRoutes } from "./routes/document-routes.ts";
import { addDrillRoutes } from "./routes/drill-routes.ts";
import { addEventStreamRoutes } from "./routes/event-stream-routes.ts";
import { addGenerationRoutes } from "./routes/generation-routes.ts";
import { addIncidentRoutes } from "./routes/incident-routes.ts";
import { addIntakeRoutes } from "./routes/intake-routes.ts";
import { addJobsRoutes } from "./routes/jobs-routes.ts";
import { addMachineRoutes } from "./routes/machine-routes.ts";
import { addMetricsRoute } from "./routes/metrics-route.ts";
import { addModelRoutes } from "./routes/model-routes.ts";
import { addOutputRoutes } from "./routes/output-routes.ts";
import { addPageRoutes } from "./routes/page-routes.ts";
import { addQueueRoutes } from "./routes/queue-routes.ts";
import { addRecoveryRoutes } from "./routes/recovery-routes.ts";
import { addSimulatorRoutes } from "./routes/simulator-routes.ts";
import { addStatusRoutes } from "./routes/status-routes.ts";
import { addFigureRoutes, addSystemRoutes } from "./routes/system-routes.ts";
import { addVideosRoutes } from "./routes/videos-routes.ts";
import { addWebSocketRoute } from "./routes/websocket-route.ts";
import { access } from "./safety/access.ts";
import { bodyLimit } from "./safety/body-limit.ts";
import { foreignOrigin } from "./safety/foreign-origin.ts";
import { hostAllowList } from "./safety/host-allow-list.ts";
import { createKeyring } from "./safety/keyring.ts";
import { knownMethods } from "./safety/known-methods.ts";
import { createRateLimiter } from "./safety/rate-limiter.ts";
import { recordCalls } from "./safety/record-calls.ts";
import { requestId } from "./safety/request-id.ts";
import { secureHeaders } from "./safety/secure-headers.ts";
import type { ServerPorts } from "./server-ports.ts";
import { createStreamHub } from "./streams/stream-hub.ts";

export function createApp(given: ServerPorts, options: AppOptions): ServerApp {
  const ports: ServerPorts = { ...given, admission: notingJobs(given.admission) };
  const app = createApiApp();
  const streams = createOpenStreams();
  const hub = createStreamHub(ports);
  const keyring = createKeyring({ environmentKey: options.apiKey, keys: ports.keys, clock: ports.clock });
  const limiter = createRateLimiter(options.rateLimit, ports.clock);
  installProblems(app, ports);
  registerSecurity(app);
  app.use(
    requestId(ports.chance),
    answerLog(ports),
    secureHeaders,
    hostAllowList(options.allowedHosts),
    foreignOrigin(options.allowedOrigins, ports.onOriginRefused),
  );
  app.use(
    access(app, { keyring, limiter, isClosed: options.isExposed, isInsecure: options.isInsecure }),
    knownMethods(app),
    bodyLimit(),
  );
  app.use(recordCalls(ports.events));
  addGenerationRoutes(app, ports, options);
  addQueueRoutes(app, ports);
  addVideosRoutes(app, ports, options);
  addIntakeRoutes(app, ports);
  addJobsRoutes(app, ports, options);
  addOutputRoutes(app, ports);
  addModelRoutes(app, ports);
  addRecoveryRoutes(app, ports);
  addDrillRoutes(app, ports);
  addIncidentRoutes(app, ports);
  addSystemRoutes(app, ports, options);
  addFigureRoutes(app, ports);
  addMetricsRoute(app, ports, streams);
  addStatusRoutes(app, ports);
  addSimulatorRoutes(app, ports);
  addEventStreamRoutes(app, ports, hub, streams);
  addMachineRoutes(app, { ports, hub, streams });
  addWebSocketRoute(app, ports, hub, streams);
  addPageRoutes(app);
  addDocumentRoutes(app, ports);
  return Object.assign(app, { streams, isProtected: keyring.isLocked });
}
