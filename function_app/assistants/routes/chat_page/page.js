// Every response of the API is inserted as text: the page's policy also forbids HTML from a script.
const at = (id) => document.getElementById(id);
// Relative to this page, for any route prefix of the app, with or without a trailing slash.
const api = location.pathname.replace(/\/*$/, "").replace(/[^/]*$/, "assistants");
const PAGE = 100;

let assistant = null; // the id of the open assistant
let running = null; // the AbortController of the current request
let notBefore = 0; // the earliest time of the next request, as Date.now() counts
let ticking = null;

class ApiError extends Error {
  constructor(title, { status = 0, detail = "", errors = [], messageStored, retryAfter = 0 } = {}) {
    super(title);
    Object.assign(this, { status, detail, errors, messageStored, retryAfter });
  }
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// The API

function retryAfter(header) {
  if (!header) return 0;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Math.min(Math.max(Math.ceil(seconds) || 0, 0), 600);
}

const WITHOUT_BODY = {
  401: "The function key is missing or wrong.",
  404: "The app has no such route: the id is invalid, or this is another app.",
};

async function call(method, path, { body, headers = {}, signal } = {}) {
  const key = sessionStorage.getItem("key");
  // Without a response of the app itself, the message may still have been stored.
  const unknown = method === "POST" ? null : undefined;
  let answer;
  let text;
  try {
    answer = await fetch(api + path, {
      method,
      signal,
      body: body && JSON.stringify(body),
      headers: {
        ...(key && { "x-functions-key": key }),
        ...(body && { "content-type": "application/json" }),
        ...headers,
      },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const detail = `${error.message}. Is it running, and are you online?`;
    throw new ApiError("The app did not answer", { detail, messageStored: unknown });
  }
  let content = null;
  try {
    content = text && JSON.parse(text);
  } catch {
    // A gateway answers in HTML; the status is sufficient.
  }
  if (answer.ok && (content || answer.status === 204)) return content;
  const problem = content && typeof content === "object" ? content : {};
  if (answer.status >= 500 && problem.messageStored === undefined) problem.messageStored = unknown;
  throw new ApiError(`${answer.status} ${problem.title ?? answer.statusText}`.trim(), {
    ...problem,
    status: answer.status,
    detail: problem.detail ?? WITHOUT_BODY[answer.status] ?? "The response contains no description of the problem.",
    retryAfter: retryAfter(answer.headers.get("retry-after")),
  });
}

const assistantPath = (id) => `/${encodeURIComponent(id)}`;

async function conversation(id, signal) {
  const messages = [];
  let instructionsQuery = "&includeInstructions=true";
  let hidden = false;
  let token = "";
  let state;
  do {
    try {
      state = await call("GET", `${assistantPath(id)}?limit=${PAGE}${instructionsQuery}${token}`, { signal });
    } catch (error) {
      if (error.status !== 403 || !instructionsQuery) throw error;
      instructionsQuery = ""; // The setting exposeInstructions is off.
      hidden = true;
      continue;
    }
    messages.push(...state.messages);
    token = state.continuationToken ? `&continuationToken=${encodeURIComponent(state.continuationToken)}` : "";
  } while (token || !state);
  return { ...state, messages, hidden };
}

// Display

function timeElement(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return String(text);
  return make("time", { dateTime: text, title: text }, moment.toLocaleString());
}

function toolCall(call) {
  const meta = make("div", { className: "meta" }, make("b", {}, `calls ${call.functionName}`), make("code", {}, call.id));
  return make("div", { className: "call" }, meta, make("pre", { dir: "auto" }, call.functionArguments));
}

function entry(message) {
  const meta = make("div", { className: "meta" }, make("b", {}, message.role));
  if (message.number) meta.append(`#${message.number}`);
  if (message.toolCallId) meta.append(make("span", {}, "result of ", make("code", {}, message.toolCallId)));
  if (message.createdAt) meta.append(timeElement(message.createdAt));
  const element = make("li", {}, meta);
  if (["System", "User", "Assistant", "Tool"].includes(message.role)) element.className = message.role;
  if (message.content) element.append(make("div", { className: "text", dir: "auto" }, message.content));
  element.append(...(message.toolCalls ?? []).map(toolCall));
  return element;
}

function showFacts(state) {
  const facts = [
    ["Messages", state.totalMessages],
    ["Tokens", state.totalTokens],
    ["Created", state.createdAt && timeElement(state.createdAt)],
    ["Instructions", state.hidden && "hidden by this app"],
  ];
  at("facts").replaceChildren(
    ...facts
      .filter(([, value]) => value || value === 0)
      .map(([name, value]) => make("div", { id: `fact-${name}` }, make("dt", {}, name), make("dd", {}, value))),
  );
}

function setFact(name, value) {
  at(`fact-${name}`)?.querySelector("dd").replaceChildren(String(value));
}

function showConversation(state) {
  const log = at("log");
  log.ariaLive = "off"; // A screen reader announces only messages that are added later.
  at("title").replaceChildren(make("bdi", {}, state.assistantId));
  at("messages").replaceChildren(...state.messages.map(entry));
  showFacts(state);
  at("open").hidden = false;
  at("welcome").hidden = true;
  requestAnimationFrame(() => (log.ariaLive = "polite"));
}

function close() {
  assistant = null;
  sessionStorage.removeItem("assistant");
  at("open").hidden = true;
  at("welcome").hidden = false;
  markOpen();
}

function setStatus(text) {
  at("status").textContent = text;
}

function showProblem(error) {
  if (error.name === "AbortError") return;
  const shown = at("problem");
  const dismiss = make("button", { type: "button", onclick: clearProblem }, "Dismiss");
  const stored = {
    true: "Your message is stored, and displayed above.",
    false: "Your message is not stored.",
    null: "It is not known yet whether your message is stored: reload before you send it again.",
  }[error.messageStored];
  shown.replaceChildren(make("b", {}, error.message), make("p", { dir: "auto" }, error.detail ?? ""));
  const others = (Array.isArray(error.errors) ? error.errors : []).map((e) => make("li", {}, `${e.name ?? e.in}: ${e.detail}`));
  if (others.length > 1) shown.append(make("ul", {}, ...others));
  if (stored) shown.append(make("p", {}, stored));
  shown.append(dismiss);
  shown.hidden = false;
  shown.scrollIntoView({ block: "nearest" });
  setStatus("");
  if (error.retryAfter) notBefore = Date.now() + error.retryAfter * 1000;
  if (error.status === 401) {
    at("side").open = true;
    at("key").focus();
  }
}

function clearProblem() {
  const hadFocus = at("problem").contains(document.activeElement);
  at("problem").hidden = true;
  at("problem").replaceChildren();
  if (hadFocus) focusMessage();
}

// The keyboard of a phone would cover the conversation.
function focusMessage() {
  if (!at("open").hidden && !matchMedia("(pointer: coarse)").matches) at("message").focus();
}

// The time since the request, or until the next one is allowed; screen readers do not announce a timer.
function tick(since) {
  clearInterval(ticking);
  const show = () => {
    const left = Math.ceil((notBefore - Date.now()) / 1000);
    if (running) at("timer").textContent = `Waiting, ${Math.floor((Date.now() - since) / 1000)} s.`;
    else if (left > 0) at("timer").textContent = `Try again in ${left} s.`;
    else {
      clearInterval(ticking);
      at("timer").textContent = "";
    }
    // Not `disabled`, which would remove the focus.
    at("submit").ariaDisabled = String(Boolean(running) || left > 0);
  };
  ticking = setInterval(show, 250);
  show();
}

// One request at a time; Escape cancels it.
async function runRequest(text, action) {
  if (running) return;
  clearProblem();
  running = new AbortController();
  tick(Date.now());
  setStatus(text);
  at("conversation").ariaBusy = "true";
  at("stop").hidden = false;
  try {
    await action(running.signal);
  } catch (error) {
    if (error.name === "AbortError") setStatus("Stopped waiting. The request may still be carried out: reload to see.");
    else if (error instanceof ApiError) showProblem(error);
    else throw error;
  } finally {
    running = null;
    at("conversation").ariaBusy = "false";
    if (document.activeElement === at("stop")) at("message").focus();
    at("stop").hidden = true;
    tick();
  }
}

// The list

let next = "";

function listEntry(state) {
  const open = () => runRequest(`Opening ${state.assistantId}…`, (signal) => openAssistant(state.assistantId, signal));
  const button = make("button", { type: "button", onclick: open }, make("bdi", {}, state.assistantId));
  button.dataset.id = state.assistantId;
  button.append(make("small", {}, `${state.totalMessages} messages, ${state.totalTokens} tokens`));
  return make("li", {}, button);
}

function markOpen() {
  for (const button of at("assistants").querySelectorAll("button"))
    if (button.dataset.id === assistant) button.ariaCurrent = "true";
    else button.removeAttribute("aria-current");
}

async function list(signal, more = false) {
  const token = more ? `&continuationToken=${encodeURIComponent(next)}` : "";
  const answer = await call("GET", `?limit=${PAGE}${token}`, { signal });
  if (!more) at("assistants").replaceChildren();
  at("assistants").append(...answer.assistants.map(listEntry));
  next = answer.continuationToken ?? "";
  at("more").hidden = !next;
  at("none").hidden = at("assistants").childElementCount > 0;
  at("list").hidden = at("create").hidden = false;
  markOpen();
}

// Actions of the user

async function connect(signal) {
  await list(signal);
  if (!at("id").value) suggestId();
  setStatus("Connected.");
}

// A key gives access to every assistant whose id is known, so the suggested id cannot be guessed.
function suggestId() {
  const random = crypto.getRandomValues(new Uint8Array(8));
  at("id").value = `chat-${Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

async function openAssistant(id, signal) {
  const state = await conversation(id, signal).catch((error) => {
    if (error.status === 404) close();
    throw error;
  });
  assistant = id;
  sessionStorage.setItem("assistant", id);
  showConversation(state);
  markOpen();
  if (matchMedia("(max-width: 51.99rem)").matches) at("side").open = false;
  at("messages").lastElementChild?.scrollIntoView({ block: "nearest" });
  setStatus(`${id}: ${state.totalMessages} messages.`);
  focusMessage();
}

async function create(signal) {
  const id = at("id").value;
  const instructions = at("instructions").value;
  await call("PUT", assistantPath(id), {
    signal,
    // Never replaces an existing conversation: that has to be deleted first.
    headers: { "if-none-match": "*" },
    body: instructions ? { instructions } : undefined,
  });
  at("instructions").value = "";
  suggestId();
  await list(signal);
  await openAssistant(id, signal);
}

async function send(signal) {
  const field = at("message");
  const message = field.value;
  const id = assistant;
  let answer;
  try {
    answer = await call("POST", `${assistantPath(id)}/messages`, { signal, body: { message } });
  } catch (error) {
    if (error.messageStored) await openAssistant(id, signal).catch(() => {});
    throw error;
  }
  // Text entered while waiting for the reply is the next message.
  if (field.value === message) field.value = "";
  const added = answer.messages.map(entry);
  at("messages").append(...added);
  added.at(-1)?.scrollIntoView({ block: "nearest" });
  setFact("Messages", answer.totalMessages);
  setFact("Tokens", answer.totalTokens);
  const small = at("assistants").querySelector("[aria-current] small");
  if (small) small.textContent = `${answer.totalMessages} messages, ${answer.totalTokens} tokens`;
  setStatus(`${answer.totalTokens} tokens.`);
  focusMessage();
}

async function remove(signal) {
  const id = assistant;
  await call("DELETE", assistantPath(id), { signal });
  close();
  await list(signal);
  at("side").open = true;
  setStatus(`${id} is deleted.`);
  at("id").focus();
}

function sendNow() {
  if (!assistant || running || Date.now() < notBefore || !at("send").reportValidity()) return;
  runRequest("Waiting for the reply…", send);
}

function onSubmit(id, action) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

onSubmit("connect", () => {
  const key = at("key").value.trim();
  if (/[^!-~]/.test(key)) {
    // Not allowed in a header, and the message of fetch is not helpful.
    showProblem(new ApiError("This is not a function key", { detail: "It contains spaces or letters that no key contains: copy it again." }));
    return;
  }
  sessionStorage.setItem("key", key);
  runRequest("Connecting…", async (signal) => {
    await connect(signal);
    (at("assistants").querySelector("button") ?? at("id")).focus();
  });
});
onSubmit("create", () => runRequest("Creating…", create));
onSubmit("send", sendNow);
at("message").addEventListener("keydown", (event) => {
  // In an input method, Enter selects a candidate.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendNow();
});
at("more").addEventListener("click", () => runRequest("Listing…", (signal) => list(signal, true)));
at("reload").addEventListener("click", () => runRequest("Reloading…", (signal) => openAssistant(assistant, signal)));
at("delete").addEventListener("click", () => {
  at("confirm-title").replaceChildren("Delete ", make("bdi", {}, assistant), "?");
  at("confirm").showModal();
});
at("confirm-no").addEventListener("click", () => at("confirm").close());
at("confirm-yes").addEventListener("click", () => {
  at("confirm").close();
  runRequest("Deleting…", remove);
});
at("stop").addEventListener("click", () => running?.abort());
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || at("confirm").open) return;
  if (running) running.abort();
  else if (!at("problem").hidden) clearProblem();
});

// After a reload, continue with the assistant that was open.
if (sessionStorage.getItem("key") === null) {
  setStatus("Enter the function key to begin.");
  at("key").focus();
} else {
  at("key").value = sessionStorage.getItem("key");
  const before = sessionStorage.getItem("assistant");
  runRequest("Connecting…", async (signal) => {
    await connect(signal);
    if (before) await openAssistant(before, signal);
  });
}
