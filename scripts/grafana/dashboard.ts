/** The Grafana dashboard, as plain objects; `npm run docs` writes it to deploy/grafana/understudy.json. */

interface Target {
  readonly expr: string;
  readonly legend: string;
}

interface PanelAbout {
  readonly title: string;
  readonly description?: string;
  readonly type: "timeseries" | "stat" | "state-timeline" | "table";
  /** The units have Grafana's own names. */
  readonly unit?: "s" | "bytes" | "percentunit" | "celsius" | "watt" | "short" | "reqps";
  /** The width counts columns of Grafana's grid, of which there are 24. */
  readonly width: number;
  readonly height?: number;
  readonly targets: readonly Target[];
  readonly options?: Readonly<Record<string, unknown>>;
}

const source = { type: "prometheus", uid: `\${DS_PROMETHEUS}` } as const;
/** Panels show only the instances that the person who looks has chosen. */
const at = 'instance=~"$instance"';

/** The word that holds, from a set of series of which one is 1. */
const stateOf = (metric: string): string => `${metric}{${at}} == 1`;

const rows: readonly { readonly title: string; readonly panels: readonly PanelAbout[] }[] = [
  {
    title: "Now",
    panels: [
      {
        title: "Mode",
        description: "mock: stand-ins only, no real video.",
        type: "state-timeline",
        width: 24,
        height: 5,
        targets: [{ expr: stateOf("understudy_mode"), legend: "{{mode}}" }],
        options: { mergeValues: true, showValue: "never", rowHeight: 0.8 },
      },
      {
        title: "Jobs that wait",
        type: "stat",
        width: 6,
        targets: [{ expr: `understudy_jobs_queued{${at}}`, legend: "queued" }],
      },
      {
        title: "Being rendered",
        type: "stat",
        width: 6,
        targets: [{ expr: `understudy_jobs_running{${at}}`, legend: "running" }],
      },
      {
        title: "Longest wait",
        type: "stat",
        unit: "s",
        width: 6,
        targets: [{ expr: `understudy_job_oldest_waiting_seconds{${at}}`, legend: "oldest" }],
      },
      {
        title: "Open incidents",
        type: "stat",
        width: 6,
        targets: [{ expr: `understudy_incidents_open{${at}}`, legend: "open" }],
      },
    ],
  },
  {
    title: "Jobs",
    panels: [
      {
        title: "What owners got",
        type: "timeseries",
        width: 12,
        targets: [
          {
            expr: `sum by (outcome) (increase(understudy_jobs_finished_total{${at}}[$__rate_interval]))`,
            legend: "{{outcome}}",
          },
        ],
      },
      {
        title: "Share without a real video",
        type: "timeseries",
        unit: "percentunit",
        width: 12,
        targets: [
          { expr: `understudy:jobs_failing:ratio_rate5m{${at}}`, legend: "5 min" },
          { expr: `understudy:jobs_failing:ratio_rate1h{${at}}`, legend: "1 h" },
          { expr: `understudy:jobs_failing:ratio_rate6h{${at}}`, legend: "6 h" },
        ],
      },
      {
        title: "From submission to the real result, 95 %",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.95, sum by (le, model) (rate(understudy_job_duration_seconds_bucket{${at}}[1h])))`,
            legend: "{{model}}",
          },
        ],
      },
      {
        title: "Wait for a worker, 95 %",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.95, sum by (le, model) (rate(understudy_job_queue_seconds_bucket{${at}}[1h])))`,
            legend: "{{model}}",
          },
        ],
      },
      {
        title: "Phases of renders, median",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.5, sum by (le, phase) (rate(understudy_job_phase_seconds_bucket{${at}}[1h])))`,
            legend: "{{phase}}",
          },
        ],
      },
      {
        title: "Ends of attempts",
        type: "timeseries",
        width: 12,
        targets: [
          {
            expr: `sum by (outcome, code) (increase(understudy_attempts_total{${at}}[$__rate_interval]))`,
            legend: "{{outcome}} {{code}}",
          },
        ],
      },
      {
        title: "Submissions",
        type: "timeseries",
        width: 12,
        targets: [
          {
            expr: `sum by (model) (increase(understudy_jobs_submitted_total{${at}}[$__rate_interval]))`,
            legend: "{{model}}",
          },
        ],
      },
    ],
  },
  {
    title: "Recovery",
    panels: [
      {
        title: "Repairs by what a measurement showed",
        type: "timeseries",
        width: 12,
        targets: [
          {
            expr: `sum by (action, outcome) (increase(understudy_recovery_actions_total{${at}, outcome!="skipped"}[$__rate_interval])) - sum by (action, outcome) (increase(understudy_recovery_actions_revised_total{${at}, outcome!="skipped"}[$__rate_interval])) > 0`,
            legend: "{{action}}: {{outcome}}",
          },
        ],
      },
      {
        title: "Incidents opened",
        type: "timeseries",
        width: 12,
        targets: [
          {
            expr: `sum by (failure_type) (increase(understudy_incidents_opened_total{${at}}[$__rate_interval]))`,
            legend: "{{failure_type}}",
          },
        ],
      },
      {
        title: "How long incidents were open, 95 %",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.95, sum by (le, failure_type) (rate(understudy_incident_duration_seconds_bucket{${at}}[6h])))`,
            legend: "{{failure_type}}",
          },
        ],
      },
      {
        title: "How long repairs took, 95 %",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.95, sum by (le, action) (rate(understudy_recovery_action_seconds_bucket{${at}}[6h])))`,
            legend: "{{action}}",
          },
        ],
      },
      {
        title: "Memory that repairs freed",
        type: "timeseries",
        unit: "bytes",
        width: 8,
        targets: [
          {
            expr: `sum by (action) (increase(understudy_recovery_freed_bytes_sum{${at}}[$__rate_interval]))`,
            legend: "{{action}}",
          },
        ],
      },
      {
        title: "Drills: time since one was passed",
        type: "table",
        unit: "s",
        width: 24,
        height: 6,
        targets: [{ expr: `time() - understudy_drill_last_success_timestamp_seconds{${at}}`, legend: "{{drill}}" }],
      },
    ],
  },
  {
    title: "Workers and machines",
    panels: [
      {
        title: "Workers",
        type: "state-timeline",
        width: 12,
        targets: [{ expr: stateOf("understudy_worker_state"), legend: "{{worker}} {{state}}" }],
        options: { mergeValues: true, showValue: "never" },
      },
      {
        title: "Breakers",
        type: "state-timeline",
        width: 12,
        targets: [{ expr: stateOf("understudy_breaker_state"), legend: "{{worker}} {{state}}" }],
        options: { mergeValues: true, showValue: "never" },
      },
      {
        title: "Workers started again",
        type: "timeseries",
        width: 8,
        targets: [
          {
            expr: `sum by (worker, reason) (increase(understudy_worker_restarts_total{${at}}[$__rate_interval]))`,
            legend: "{{worker}}: {{reason}}",
          },
        ],
      },
      {
        title: "Since a busy worker's render moved",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `(time() - understudy_worker_last_progress_timestamp_seconds{${at}}) and on (instance, worker) understudy_worker_busy{${at}} == 1`,
            legend: "{{worker}}",
          },
        ],
      },
      {
        title: "Transitions of statecharts",
        type: "timeseries",
        width: 8,
        targets: [
          {
            expr: `sum by (machine) (rate(understudy_machine_transitions_total{${at}}[$__rate_interval]))`,
            legend: "{{machine}}",
          },
        ],
      },
    ],
  },
  {
    title: "Cards and host",
    panels: [
      {
        title: "Memory of cards",
        type: "timeseries",
        unit: "bytes",
        width: 12,
        targets: [
          { expr: `understudy_gpu_memory_used_bytes{${at}}`, legend: "{{gpu}} used" },
          { expr: `understudy_gpu_memory_total_bytes{${at}}`, legend: "{{gpu}} total" },
          { expr: `understudy_gpu_memory_residue_bytes{${at}}`, legend: "{{worker}} after its last job" },
        ],
      },
      {
        title: "Until kept memory fills a card",
        type: "timeseries",
        unit: "s",
        width: 6,
        targets: [{ expr: `understudy_gpu_forecast_exhaustion_seconds{${at}}`, legend: "{{worker}}" }],
      },
      {
        title: "Temperature of cards",
        type: "timeseries",
        unit: "celsius",
        width: 6,
        targets: [{ expr: `understudy_gpu_temperature_celsius{${at}}`, legend: "{{gpu}}" }],
      },
      {
        title: "Use of cards and host",
        type: "timeseries",
        unit: "percentunit",
        width: 8,
        targets: [
          { expr: `understudy_gpu_utilization_ratio{${at}}`, legend: "{{gpu}}" },
          { expr: `understudy_host_cpu_utilization_ratio{${at}}`, legend: "host" },
          {
            expr: `understudy_host_memory_used_bytes{${at}} / understudy_host_memory_total_bytes{${at}}`,
            legend: "memory of the host",
          },
        ],
      },
      {
        title: "Free disk",
        type: "timeseries",
        unit: "bytes",
        width: 8,
        targets: [{ expr: `understudy_disk_free_bytes{${at}}`, legend: "{{mount}}" }],
      },
      {
        title: "Downloads: still to fetch",
        type: "timeseries",
        unit: "bytes",
        width: 8,
        targets: [{ expr: `understudy_download_remaining_bytes{${at}}`, legend: "{{model}}" }],
      },
    ],
  },
  {
    title: "Service",
    panels: [
      {
        title: "Answers",
        type: "timeseries",
        unit: "reqps",
        width: 8,
        targets: [
          {
            expr: `sum by (status_class) (rate(understudy_http_request_duration_seconds_count{${at}}[$__rate_interval]))`,
            legend: "{{status_class}}",
          },
        ],
      },
      {
        title: "Time to answer, 95 %",
        type: "timeseries",
        unit: "s",
        width: 8,
        targets: [
          {
            expr: `histogram_quantile(0.95, sum by (le, route) (rate(understudy_http_request_duration_seconds_bucket{${at}}[5m])))`,
            legend: "{{route}}",
          },
        ],
      },
      {
        title: "Clients of streams, and memory of the service",
        type: "timeseries",
        width: 8,
        targets: [
          { expr: `understudy_stream_clients{${at}}`, legend: "clients" },
          { expr: `understudy_process_resident_memory_bytes{${at}} / 1048576`, legend: "MiB" },
        ],
      },
    ],
  },
];

const rowHeight = 1;
const usualHeight = 8;

function panelOf(
  about: PanelAbout,
  id: number,
  gridPos: Readonly<Record<string, number>>,
): Readonly<Record<string, unknown>> {
  const { title, description, type, unit = "short", targets, options = {} } = about;
  return {
    id,
    title,
    ...(description === undefined ? {} : { description }),
    type,
    datasource: source,
    gridPos,
    fieldConfig: { defaults: { unit, ...(type === "stat" ? { noValue: "–" } : {}) }, overrides: [] },
    options,
    targets: targets.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource: source,
      expr,
      legendFormat: legend,
      ...(type === "stat" || type === "table" ? { instant: true } : { range: true }),
    })),
  };
}

/** Rows of Grafana's grid, 24 wide, filled from the left. */
function layOut(): Readonly<Record<string, unknown>>[] {
  const panels: Readonly<Record<string, unknown>>[] = [];
  let y = 0;
  for (const { title, panels: abouts } of rows) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: 24, h: rowHeight },
    });
    y += rowHeight;
    let x = 0;
    let tallest = 0;
    for (const about of abouts) {
      if (x + about.width > 24) {
        y += tallest;
        x = 0;
        tallest = 0;
      }
      const h = about.height ?? (about.type === "stat" ? 4 : usualHeight);
      panels.push(panelOf(about, panels.length + 1, { x, y, w: about.width, h }));
      x += about.width;
      tallest = Math.max(tallest, h);
    }
    y += tallest;
  }
  return panels;
}

/** Every query of every panel, with Grafana's variables still in it. */
export const dashboardExpressions: readonly string[] = rows.flatMap(({ panels }) =>
  panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
);

export const dashboard = {
  uid: "understudy",
  title: "Understudy",
  tags: ["understudy"],
  schemaVersion: 39,
  editable: true,
  timezone: "browser",
  refresh: "30s",
  time: { from: "now-6h", to: "now" },
  templating: {
    list: [
      { name: "DS_PROMETHEUS", label: "Data source", type: "datasource", query: "prometheus", current: {}, hide: 0 },
      {
        name: "instance",
        label: "Instance",
        type: "query",
        datasource: source,
        query: { query: "label_values(understudy_build_info, instance)", refId: "instance" },
        includeAll: true,
        multi: true,
        allValue: ".*",
        current: { text: "All", value: "$__all" },
        refresh: 2,
      },
    ],
  },
  annotations: {
    list: [
      {
        name: "Incidents",
        datasource: source,
        enable: true,
        iconColor: "orange",
        expr: `increase(understudy_incidents_opened_total{${at}}[1m]) > 0`,
        titleFormat: "Incident",
        textFormat: "{{failure_type}}",
      },
    ],
  },
  panels: layOut(),
} as const;

export const renderDashboard = (): string => `${JSON.stringify(dashboard, null, 2)}\n`;
