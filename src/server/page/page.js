/** The page follows the event stream: a snapshot brings it up to date, and rows keep it so, also after a loss of the connection. */
import { ask, show } from "./key.js";
import { follow } from "./stream.js";
import { ends, modes, phases, stages, waiting } from "./words.js";

const at = (id) => document.getElementById(id);
const eventCount = 10;
/** Jobs that are not at their end, oldest first: id → { text, percent, isRunning }. */
let jobs = new Map();
/** The kinds of rows that have words, as the snapshot says. */
let described = new Set();

function showMode({ mode, sentence }) {
  document.body.dataset.mode = mode;
  at("mode-word").textContent = modes[mode] ?? mode;
  at("sentence").textContent = sentence;
}

function showRow({ at: iso, text }) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = iso;
  time.textContent = new Date(iso).toLocaleTimeString([], { hourCycle: "h23" });
  line.append(time, text);
  at("events").prepend(line);
  while (at("events").children.length > eventCount) at("events").lastElementChild.remove();
}

function showJobs() {
  const [id, job] = [...jobs].find(([, { isRunning }]) => isRunning) ??
    [...jobs][0] ?? ["", { text: "Nothing is being rendered." }];
  at("job-name").textContent = id === "" ? "" : `Job ${id.slice(0, 8)}`;
  at("job-text").textContent = jobs.size > 1 ? `${job.text}; ${jobs.size - 1} more` : job.text;
  at("job-bar").value = job.percent ?? 0;
}

function showProgress({ job_id: id, phase, step, of, progress }) {
  const text = phase === "denoise" ? `${phases[phase]}, step ${step} of ${of}` : phases[phase];
  if (jobs.has(id)) jobs.set(id, { text, percent: progress, isRunning: true });
  showJobs();
}

function showClip(video) {
  const standIn = `Stand-in, not the real video${video.real_result === "pending" ? ", which follows" : ""}.`;
  at("clip-kind").textContent = video.is_mock ? standIn : video.simulated ? "Simulated video." : "Real video.";
  at("clip-text").textContent = `${video.prompt} (job ${video.id.slice(0, 8)})`;
  at("video").controls = true;
  at("video").autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  void show(at("video"), video.artifact_url);
}

/** A row of the event log: words for the list, and what it means for its job. */
async function takeRow({ kind, job_id: id, ...row }) {
  if (row.text !== undefined) showRow(row);
  if (!kind.startsWith("job.")) return;
  if (ends.includes(kind)) jobs.delete(id);
  else jobs.set(id, { ...jobs.get(id), text: stages[kind] ?? waiting, isRunning: false });
  showJobs();
  if (kind !== "job.succeeded" && kind !== "job.stoodIn") return;
  // Without a connection the stream says so, and the next snapshot holds the clip.
  const answer = await ask(`/api/v1/outputs/${id}`).catch(() => undefined);
  if (answer?.ok) showClip(await answer.json());
}

function takeSnapshot(snapshot) {
  showMode(snapshot);
  const open = snapshot.tasks.filter(
    (task) => ["pending", "processing"].includes(task.status) || task.real_result === "pending",
  );
  jobs = new Map(open.toReversed().map(({ id }) => [id, { text: waiting, isRunning: false }]));
  showJobs();
  snapshot.running.forEach(showProgress);
  at("events").replaceChildren();
  snapshot.recent.forEach(showRow);
  at("kill").hidden = !snapshot.simulated;
  described = new Set(snapshot.described_kinds);
  if (snapshot.last_output !== undefined) showClip(snapshot.last_output);
}

function hear(kind, data) {
  if (kind === "mode") showMode(data);
  else if (kind === "progress") showProgress(data);
  else if (kind === "snapshot") takeSnapshot(data);
  else if (described.has(kind)) void takeRow(data);
}

/** Posts once at a time and says what came of it; the button keeps the focus. */
async function press(button, path, body) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    const answer = await ask(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { detail, message, task_id: id } = await answer.json();
    at("answer").textContent = !answer.ok
      ? detail
      : id === undefined
        ? `${message}.`
        : `Accepted as job ${id.slice(0, 8)}.`;
  } catch {
    at("answer").textContent = "The service does not answer.";
  }
  button.ariaBusy = "false";
}

at("make").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = { model_type: "T2V-A14B", prompt: at("prompt").value, resolution: "854x480", steps: 20, num_frames: 33 };
  void press(at("make-one"), "/api/v1/generation/submit", body);
});
at("kill").addEventListener("click", () => void press(at("kill"), "/api/v1/simulator/kill", {}));
const noAnswer = { mode: "not connected", sentence: "The service does not answer. The page connects again by itself." };
void follow("/api/v1/events", { hear, lost: () => showMode(noAnswer) });
