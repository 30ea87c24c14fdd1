/** Every actor of a statechart, live: the chart was laid out when it was drawn; here its active states are lit. */
import { follow } from "./stream.js";

const at = (id) => document.getElementById(id);
const recentCount = 20;
const svgSpace = "http://www.w3.org/2000/svg";
/** Actors by path, as the stream tells it. */
const actors = new Map();
const charts = new Map();
let chosen = decodeURIComponent(location.hash.slice(1));
/** How far this computer's clock is ahead of the service's. */
let aheadMs = 0;

const clockOf = (iso) => new Date(iso).toLocaleTimeString([], { hourCycle: "h23" });
const serviceNow = () => Date.now() - aheadMs;

function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

const nextOf = ({ deadlines }) => deadlines.find(({ due_at: due }) => Date.parse(due) >= serviceNow());

function deadlineText(actor) {
  const next = nextOf(actor);
  return next === undefined ? "none" : `${next.delay} in ${span(Date.parse(next.due_at) - serviceNow())}`;
}

/** The drawing of a machine, without its own style: the page has one, and its policy allows no other. */
function chartOf(machine) {
  if (!charts.has(machine)) {
    charts.set(
      machine,
      fetch(`/machines/${machine}.svg`)
        .then((answer) => answer.text())
        .then(
          (text) =>
            new DOMParser().parseFromString(text.replace(/<style>[\s\S]*?<\/style>/, ""), "image/svg+xml")
              .documentElement,
        ),
    );
  }
  return charts.get(machine);
}

function light(drawing, { active }) {
  for (const mark of drawing.querySelectorAll(".now")) mark.remove();
  for (const group of drawing.querySelectorAll("[data-state]")) {
    const isActive = active.includes(group.dataset.state);
    group.classList.toggle("active", isActive);
    const box = group.querySelector("rect");
    if (!isActive) continue;
    const mark = document.createElementNS(svgSpace, "text");
    mark.setAttribute("class", "now");
    mark.setAttribute("x", String(Number(box.getAttribute("x")) + Number(box.getAttribute("width")) - 6));
    mark.setAttribute("y", String(Number(box.getAttribute("y")) - 5));
    mark.setAttribute("text-anchor", "end");
    mark.setAttribute("font-size", "11");
    mark.textContent = "● now";
    group.append(mark);
  }
}

/** Brings the state that is lit into the frame of a chart that is larger than it. */
function reveal() {
  const box = [...at("chart").querySelectorAll(".active > rect")].at(-1)?.getBoundingClientRect();
  const frame = at("chart").getBoundingClientRect();
  if (box === undefined) return;
  at("chart").scrollTop += box.top - frame.top - frame.height / 3;
  at("chart").scrollLeft += box.left - frame.left - frame.width / 3;
}

/** `xstate.done.actor.0.pipeline.claiming` says no more than `done`. */
const eventText = (event) =>
  event.replace(/^xstate\.(done|error|init)\b.*/, "$1").replace(/^xstate\.after\.([^.]+)\..*/, "after $1");

async function showOne() {
  const actor = actors.get(chosen);
  at("one").hidden = actor === undefined;
  if (actor === undefined) return;
  at("name").textContent = `${actor.actor}${actor.actor === actor.machine ? "" : ` (${actor.machine})`}`;
  at("path").textContent = actor.path;
  at("tags").textContent = actor.tags.join(", ") || "none";
  at("recent").replaceChildren(
    ...actor.recent.toReversed().map(({ at: iso, from, to, event }) => {
      const line = document.createElement("li");
      const time = document.createElement("time");
      time.dateTime = iso;
      time.textContent = clockOf(iso);
      line.append(time, `${from ?? "start"} → ${to} (${eventText(event)})`);
      return line;
    }),
  );
  const drawing = await chartOf(actor.machine).catch(() => undefined);
  // Another one may have been chosen, or have moved, while the drawing came.
  const now = actors.get(chosen);
  if (drawing === undefined || now?.machine !== actor.machine) return;
  light(drawing, now);
  if (at("chart").firstChild !== drawing) at("chart").replaceChildren(drawing);
  reveal();
  const leaves = [...drawing.querySelectorAll(".active")].filter(
    (group) => !now.active.some((path) => path.startsWith(`${group.dataset.state}.`)),
  );
  at("meaning").textContent = leaves.map((group) => group.querySelector("title").textContent).join(" ");
}

function showTimes() {
  for (const { actor, button } of actors.values().map((each) => ({ actor: each, button: at(`actor:${each.actor}`) }))) {
    if (button === null) continue;
    const [, state, time] = button.children;
    state.textContent = `${actor.path}${actor.tags.length === 0 ? "" : ` · ${actor.tags.join(" ")}`}`;
    time.textContent = `${span(serviceNow() - Date.parse(actor.since))}${nextOf(actor) === undefined ? "" : ` · ${deadlineText(actor)}`}`;
  }
  const actor = actors.get(chosen);
  if (actor === undefined) return;
  at("since").textContent = span(serviceNow() - Date.parse(actor.since));
  at("deadline").textContent = deadlineText(actor);
}

function choose(name) {
  chosen = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  showList();
}

function showList() {
  if (!actors.has(chosen)) chosen = actors.keys().next().value ?? "";
  const focused = document.activeElement?.id;
  at("actors").replaceChildren(
    ...actors.keys().map((name) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const title = document.createElement("b");
      title.textContent = name;
      button.id = `actor:${name}`;
      button.type = "button";
      button.ariaCurrent = String(name === chosen);
      button.append(title, document.createElement("span"), document.createElement("span"));
      button.addEventListener("click", () => choose(name));
      item.append(button);
      return item;
    }),
  );
  if (focused !== undefined && focused !== "") at(focused)?.focus();
  showTimes();
  void showOne();
}

function takeStep({ at: iso, from, event, ended, ...place }) {
  const known = actors.get(place.actor);
  if (ended) actors.delete(place.actor);
  else
    actors.set(place.actor, {
      ...place,
      recent: [...(known?.recent ?? []), { at: iso, from, to: place.path, event }].slice(-recentCount),
    });
  if (ended || known === undefined) return showList();
  showTimes();
  if (place.actor === chosen) void showOne();
}

function hear(kind, data) {
  if (kind === "snapshot" || kind === "step") aheadMs = Date.now() - Date.parse(data.at);
  at("link").textContent = "live";
  if (kind === "step") takeStep(data);
  if (kind !== "snapshot") return;
  actors.clear();
  for (const actor of data.actors) actors.set(actor.actor, actor);
  showList();
}

function lost() {
  at("link").textContent = "not connected; what is shown is old";
}

addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1))));
setInterval(showTimes, 1_000);
void follow("/api/v1/machines/stream", { hear, lost });
