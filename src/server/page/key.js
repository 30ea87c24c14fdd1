/** How the pages ask the service: where a key is needed it is asked for once, kept for this tab alone, and sent as a bearer token. */
const slot = "understudy.key";
const keyNow = () => sessionStorage.getItem(slot);

/** The form that is shown, as a promise of its end. All who need the key wait for the same one. */
let asking;

function askForKey(sentence) {
  const form = document.createElement("form");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const button = document.createElement("button");
  form.setAttribute("aria-label", "Key");
  form.id = "key";
  label.textContent = sentence;
  label.htmlFor = "key-text";
  Object.assign(input, {
    id: "key-text",
    type: "password",
    autocomplete: "off",
    required: true,
    pattern: "\\s*[\\x21-\\x7e]+\\s*",
  });
  button.textContent = "Use this key";
  form.append(label, input, button);
  document.querySelector("main").prepend(form);
  input.focus();
  const { promise, resolve } = Promise.withResolvers();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(slot, input.value.trim());
    form.remove();
    resolve();
  });
  return promise;
}

/** `fetch` with the key; an answer of 401 comes to nobody but whoever can give a key. */
export async function ask(path, options = {}) {
  for (;;) {
    const key = keyNow();
    const headers = { ...options.headers, ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
    const answer = await fetch(path, { ...options, headers });
    if (answer.status !== 401) return answer;
    // Somebody else may have been given a key meanwhile: then that one is tried first.
    if (keyNow() !== key) continue;
    asking ??= askForKey(key === null ? "This service asks for a key." : "This key is not valid. Another one?").finally(
      () => {
        asking = undefined;
      },
    );
    await asking;
  }
}

/** Shows a clip in a video element, with a key as a blob. Whatever comes later is not overtaken by what is fetched now. */
export async function show(element, path) {
  if (element.dataset.path === path) return;
  element.dataset.path = path;
  const answer = keyNow() === null ? null : await ask(path).catch(() => undefined);
  if (element.dataset.path !== path) return;
  if (answer === undefined || answer?.ok === false) return void delete element.dataset.path;
  if (element.src.startsWith("blob:")) URL.revokeObjectURL(element.src);
  element.src = answer === null ? path : URL.createObjectURL(await answer.blob());
}

/** How a WebSocket carries the key, which it can send nowhere else but in an address. */
export function keyProtocols() {
  const key = keyNow();
  if (key === null) return ["understudy"];
  return ["understudy", `understudy.key.${btoa(key).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`];
}
