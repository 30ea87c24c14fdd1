/** Writes the generated files below docs/ and deploy/ from the source; with `--check` fails when they are not current. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { secretNames } from "../src/config/setting-names.ts";
import { configJsonSchema, listSettings } from "../src/config/settings.ts";
import { exampleSettings } from "../src/config/write-settings.ts";
import { type ErrorCodeRow, errorCodes } from "../src/core/error-codes.ts";
import { createModelCatalog } from "../src/core/model-catalog.ts";
import { createApp } from "../src/server/create-app.ts";
import { describeApi } from "../src/server/openapi-document.ts";
import type { ServerPorts } from "../src/server/server-ports.ts";
import { renderDashboard } from "./grafana/dashboard.ts";
import { renderEvents } from "./render-events.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

const notice = (source: string): string =>
  `<!-- Generated from ${source} by scripts/generate-docs.ts. Change that file, then run npm run docs. -->`;

export function renderErrors(codes: Readonly<Record<string, ErrorCodeRow>>): string {
  const rows = Object.entries(codes).map(
    ([code, row]) => `| \`${code}\` | ${row.status} | ${cell(row.meaning)} | ${cell(row.nextStep)} |`,
  );
  return [
    "# Error codes",
    notice("src/core/error-codes.ts"),
    "",
    "Every error that Understudy answers, logs or stores has one of these codes. A code is never renamed; messages may change.",
    "The HTTP status is the one of an answer that consists of this error; a failed job carries the code in its own answer, with status 200.",
    "",
    "| Code | HTTP | Meaning | What to do |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function defaultOf(value: unknown): string {
  if (value === undefined) return "";
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

export function renderSettings(): string {
  const rows = listSettings().map(
    ({ path, environmentName, byDefault, bounds, isLive, description }) =>
      `| \`${path}\` | \`${environmentName}\` | ${cell(defaultOf(byDefault))} | ${cell(bounds)} | ${isLive ? "yes" : ""} | ${cell(description)} |`,
  );
  const secrets = secretNames.map(
    ({ path, environmentName }) => `\`${path}\` from \`${environmentName}\` or, as a file, \`${environmentName}_FILE\``,
  );
  return [
    "# Settings",
    notice("src/config/schema.ts"),
    "",
    "A flag wins over the environment, the environment over the file (`--config FILE`, YAML or JSON), the file over the default. Times are",
    'written with their unit (`"500ms"`, `"30s"`, `"10m"`, `"24h"`, `"30d"`), sizes too (`"64MiB"`, `"2GiB"`), shares as `0.8` or `"80%"`.',
    "A name that is not in this list is an error, and so is a value out of its bounds: nothing is corrected silently.",
    "",
    `A list stands in an environment variable with commas or as JSON. Secrets are taken from the environment only: ${secrets.join("; ")}.`,
    "",
    "`understudy config check` looks at a configuration without starting anything, `config show --sources` tells what is in force and who set it.",
    "[understudy.example.yaml](understudy.example.yaml) holds every setting with its default, and [config.schema.json](config.schema.json) describes",
    "the file for editors. On SIGHUP the service reads the file again; settings marked *live* take effect at once, others at the next start.",
    "",
    "| Setting | Environment | Default | Bounds | Live | What it is |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
    "Each entry of `workers` has an `id`, and may have `kind`, `gpu`, `speed`, `fault` and `models`:",
    "",
    "```json",
    JSON.stringify(
      {
        port: 9100,
        workers: [
          { id: "front", gpu: "h100" },
          { id: "back", gpu: "rtx4090", models: ["TI2V-5B"] },
        ],
        standIn: { after: "5s" },
      },
      null,
      2,
    ),
    "```",
    "",
  ].join("\n");
}

/** Routes are defined without anything behind them. */
export function renderContract(): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  const consent = { fallback: "stand_in_then_real", allow: [], floor: null } as const;
  const doors = { apiKey: null, allowedHosts: [], allowedOrigins: [], isExposed: false, isInsecure: false };
  const limits = { rateLimit: { perSecond: 1, burstCount: 1 }, resultMaxAgeMs: 0 };
  const app = createApp({} as ServerPorts, { ...doors, ...limits, consent, ownConsent: consent });
  return `${JSON.stringify(describeApi(app, version, createModelCatalog()), null, 1)}\n`;
}

const exampleHead = `# yaml-language-server: $schema=./config.schema.json
# Every setting of Understudy with its default. Generated from src/config/schema.ts by scripts/generate-docs.ts.
# Keep only the lines that you change. A comment ends with what may be written and the environment variable.

`;

if (import.meta.main) {
  const isCheck = process.argv.includes("--check");
  const pages = {
    "docs/errors.md": renderErrors(errorCodes),
    "docs/events.md": renderEvents(),
    "docs/configuration.md": renderSettings(),
    "docs/config.schema.json": `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
    "deploy/grafana/understudy.json": renderDashboard(),
    "docs/understudy.example.yaml": `${exampleHead}${exampleSettings()}`,
    "docs/openapi.json": renderContract(),
  };
  for (const [path, text] of Object.entries(pages)) {
    const url = new URL(`../${path}`, import.meta.url);
    const isCurrent = existsSync(url) && readFileSync(url, "utf8") === text;
    if (!isCurrent && !isCheck) writeFileSync(url, text);
    if (!isCurrent && isCheck) {
      console.error(`${path} is not current; run npm run docs`);
      process.exitCode = 1;
    }
    console.log(`${path}: ${isCurrent ? "current" : isCheck ? "stale" : "written"}`);
  }
}
