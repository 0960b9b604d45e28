// The state of the page, and what changes it: the person, and the API's responses. Every change ends in `draw`.
//
// A message on its way is the `pending` of its conversation, with one of these phases:
//
//   (none) ──send──▶ sending ──200──▶ stored: (none), it is in `messages` with the reply
//     ▲                │ busy ──▶ retrying ──in N seconds, once──▶ sending
//     │                │ no response, or one that does not say whether it is stored
//     │                ▼
//     ├──not sent── checking / waiting / offline ──▶ stored
//     │
//     └── the text is in the field again
//
// Only GET decides between "stored" and "not sent": the message is there; or it is absent while nobody writes
// the assistant. A message carries the number of messages before it, so that the API stores a copy of it only
// once, even if the page was wrong. `pending` survives a reload of the page (waiting), like every draft.
import {
  ApiError,
  PAGE,
  createAssistant,
  deleteAssistant,
  listAssistants,
  postMessage,
  readConversation,
  readState,
} from "./api.js";
import { at } from "./elements.js";
import {
  MAX_UNITS,
  explain,
  idFrom,
  instructionsOf,
  isBusy,
  isStored,
  newConversation,
  plural,
} from "./model.js";
import { canSend, isAtEnd, render, renderProgress } from "./view.js";

const LOADED_BY_ITSELF = 500; // assistants; more on request
const ARRIVES_WITHIN = 5000; // milliseconds until a request that was sent has surely reached the app
const LONGEST_POLL = 5000;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

const state = {
  access: "checking", // or "needed", "granted"
  view: "list", // or "chat": what one column shows
  notice: null, // the problem beside the list
  assistants: new Map(), // what is loaded of the list, by id
  next: "", // the token of the next page
  complete: true,
  remaining: null, // {count, isExact}: how many follow what is loaded; null if that is not known
  search: "",
  matches: null, // {count, isExact}: how many ids begin with the search; null if that is not known
  searchProblem: "",
  open: "", // the id of the open conversation; "" is the new one
  conversations: new Map([["", { ...newConversation(""), phase: "new" }]]),
};

const current = () => state.conversations.get(state.open);
const isCoarse = () => matchMedia("(pointer: coarse)").matches;
const announce = (text) => (at("status").textContent = text);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function draw() {
  render(state, act);
  keep();
}

function conversationOf(id) {
  if (!state.conversations.has(id)) state.conversations.set(id, newConversation(id));
  return state.conversations.get(id);
}

// What a reload must not lose: the open conversation, drafts, and messages on their way.
function keep() {
  const kept = [...state.conversations.values()]
    .filter(({ draft, pending }) => draft || pending)
    .map(({ id, draft, pending }) => ({ id, draft, pending }));
  try {
    sessionStorage.setItem("kept", JSON.stringify({ open: state.open, view: state.view, kept }));
  } catch {
    // A draft is longer than what a browser keeps; only a reload would lose it.
  }
}

function restore() {
  const { open = "", view = "list", kept = [] } = JSON.parse(sessionStorage.getItem("kept") ?? "{}");
  for (const { id, draft, pending } of kept) {
    const conversation = conversationOf(id);
    Object.assign(conversation, { draft, pending: pending && { ...pending, phase: "waiting" } });
  }
  conversationOf(open);
  Object.assign(state, { open, view });
}

// The key, and the list

// `#key=…`, as `make local` prints it: a browser sends no fragment, and it leaves the address at once.
function takeKeyFromAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (key && isHeaderValue(key)) sessionStorage.setItem("key", key);
  return Boolean(key);
}

const isHeaderValue = (text) => /^[!-~]*$/.test(text);

async function connect() {
  Object.assign(state, { notice: null, next: "" });
  draw();
  try {
    await loadPage();
  } catch (error) {
    refused(error, state, "list");
    if (state.access === "checking") state.access = "needed";
    if (state.access === "needed") state.view = "list";
    draw();
    return;
  }
  state.access = "granted";
  const hadFocus = at("access").contains(document.activeElement);
  at("access").open = false;
  draw();
  if (hadFocus) at("new").focus();
  for (const conversation of state.conversations.values())
    if (conversation.pending?.phase === "waiting") lookUp(conversation, "waiting");
  if (state.open) await load(current());
  await loadMore(LOADED_BY_ITSELF - state.assistants.size);
}

// The problem becomes the notice of `place`, the list or a conversation; a key that is refused is asked for.
function refused(error, place, doing, id) {
  place.notice = { ...explain(error, doing, id), doing, id };
  if (error.status !== 401) return;
  if (state.access === "checking" && !sessionStorage.getItem("key")) place.notice = null; // nobody gave one yet
  state.access = "needed";
  askForKey();
}

function askForKey() {
  state.view = "list";
  at("access").hidden = false;
  at("access").open = true;
  draw();
  at("key").focus();
}

async function loadPage(counts = false) {
  const page = await listAssistants({ token: state.next, counts });
  addToList(page);
  state.remaining = page.remaining ?? null;
  if (state.remaining) {
    // What a search has found, or the person has created, is already loaded.
    const last = page.assistants.at(-1)?.assistantId;
    state.remaining.count -= [...state.assistants.keys()].filter((id) => id > last).length;
  }
  state.next = page.continuationToken ?? "";
  state.complete = !state.next;
}

function addToList({ assistants }) {
  const before = state.assistants.size;
  for (const assistant of assistants) state.assistants.set(assistant.assistantId, assistant);
  return state.assistants.size - before;
}

async function loadMore(count) {
  const wanted = state.assistants.size + count;
  try {
    while (!state.complete && state.assistants.size < wanted) {
      await loadPage(state.assistants.size + PAGE >= wanted); // only the last page says how many follow
      draw();
    }
  } catch (error) {
    refused(error, state, "list");
    draw();
  }
}

async function find(text) {
  state.search = text;
  state.matches = state.complete ? { count: 0, isExact: true } : null; // all of them are loaded
  state.searchProblem = text && !ID.test(text) ? "An id has only letters, digits, _ and -." : "";
  draw();
  if (!text || state.searchProblem || state.complete) return;
  await pause(250);
  if (state.search !== text) return;
  try {
    const page = await listAssistants({ prefix: text, counts: true });
    const { count, isExact } = page.remaining ?? { count: 0, isExact: true };
    const added = addToList(page);
    if (state.remaining) state.remaining.count -= added;
    if (state.search === text) state.matches = { count: page.assistants.length + count, isExact };
  } catch (error) {
    refused(error, state, "list");
  }
  draw();
}

function summarize({ id, totalMessages, totalTokens }, lastUpdatedAt) {
  const known = state.assistants.get(id);
  state.assistants.set(id, {
    ...known,
    assistantId: id,
    totalMessages,
    totalTokens,
    lastUpdatedAt: lastUpdatedAt ?? known?.lastUpdatedAt,
  });
}

// Conversations

function show(id) {
  Object.assign(state, { open: id, view: "chat" });
  const conversation = conversationOf(id);
  conversation.isNews = false;
  draw();
  at("assistants").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  // The keyboard of a phone would cover the conversation.
  (isCoarse() || conversation.phase === "gone" ? at("title") : at("message")).focus();
  return id ? load(conversation) : undefined;
}

async function load(conversation) {
  if (conversation.phase === "unread") conversation.phase = "loading";
  try {
    adopt(conversation, await readConversation(conversation.id));
  } catch (error) {
    if (conversation.phase === "loading") conversation.phase = "unread";
    if (error.status === 404) gone(conversation, error);
    else refused(error, conversation, "open", conversation.id);
  }
  draw();
}

function adopt(conversation, read, cause) {
  // A response that took longer than a later one.
  if (read.createdAt === conversation.createdAt && read.totalMessages < conversation.totalMessages) return;
  const { messages, totalMessages, totalTokens, createdAt, hidden } = read;
  Object.assign(conversation, { messages, totalMessages, totalTokens, createdAt, hidden, phase: "ready" });
  if (conversation.notice?.doing === "open") conversation.notice = null;
  summarize(conversation, read.lastUpdatedAt);
  if (conversation.pending && isStored(conversation)) stored(conversation, cause);
}

function gone(conversation, error) {
  takeBack(conversation);
  conversation.phase = "gone";
  conversation.notice = { ...explain(error, "open"), doing: "open", id: conversation.id };
  state.assistants.delete(conversation.id);
}

async function create() {
  const conversation = current();
  if (!canSend(conversation)) return;
  const message = conversation.draft.trim() ? conversation.draft : "";
  const name = at("name").value.trim();
  const instructions = at("instructions").value || undefined;
  const problem = tooLong(at("instructions").value, "system prompt") || tooLong(message, "message");
  if (problem || (!name && !message)) {
    conversation.notice = { text: problem || "Write a message, or give the assistant a name.", action: "" };
    draw();
    return;
  }
  Object.assign(conversation, { phase: "creating", notice: null });
  draw();
  let id = ID.test(name) ? name : idFrom(name || message);
  try {
    await createAssistant(id, instructions).catch((error) => {
      if (error.status !== 412 || name) throw error;
      id = idFrom(message, crypto.randomUUID().slice(0, 4));
      return createAssistant(id, instructions);
    });
  } catch (error) {
    conversation.phase = "new";
    refused(error, conversation, "create", id);
    draw();
    return;
  }
  // What was typed meanwhile stays.
  Object.assign(conversation, { phase: "new", draft: conversation.draft === message ? "" : conversation.draft });
  at("name").value = at("instructions").value = "";
  const created = conversationOf(id);
  Object.assign(created, { ...newConversation(id), draft: message });
  summarize(created, new Date().toISOString());
  await (state.open === "" ? show(id) : load(created));
  at("assistants").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  if (message && created.phase === "ready") send(created);
}

async function remove({ id }) {
  const conversation = conversationOf(id);
  try {
    await deleteAssistant(id);
  } catch (error) {
    refused(error, conversation, "delete", id);
    draw();
    return;
  }
  state.conversations.delete(id);
  state.assistants.delete(id);
  if (state.open === id) Object.assign(state, { open: "", view: "list" });
  draw();
  at("new").focus();
  announce(`${id} is deleted.`);
}

async function startOver({ id }) {
  const conversation = conversationOf(id);
  const instructions = conversation.hidden ? undefined : (instructionsOf(conversation) ?? "");
  conversation.notice = null;
  draw();
  try {
    await createAssistant(id, instructions, { replace: true });
  } catch (error) {
    refused(error, conversation, "replace", id);
    draw();
    return;
  }
  state.conversations.set(id, { ...newConversation(id), draft: conversation.draft });
  await load(conversationOf(id));
  announce(`${id} starts over.`);
}

// Messages

function tooLong(text, noun) {
  const extra = text.length - MAX_UNITS;
  return extra > 0 ? `This is ${plural(extra, "character")} longer than a ${noun} may be.` : "";
}

function submit() {
  const conversation = current();
  if (!canSend(conversation)) return;
  if (conversation.phase === "new") create();
  else send(conversation);
}

function send(conversation) {
  const text = conversation.draft;
  if (!text.trim()) return;
  const problem = tooLong(text, "message");
  if (problem) {
    conversation.notice = { text: problem, action: "" };
    draw();
    return;
  }
  const { totalMessages } = conversation;
  Object.assign(conversation, {
    draft: "",
    notice: null,
    pending: { text, totalMessages, since: Date.now() },
  });
  if (conversation === current()) at("scroller").scrollTop = at("scroller").scrollHeight; // and follow what comes
  attempt(conversation);
}

async function attempt(conversation) {
  const { pending } = conversation;
  pending.phase = "sending";
  draw();
  announce("Sent. Waiting for the reply.");
  try {
    const { messages, totalMessages, totalTokens } = await postMessage(
      conversation.id,
      pending.text,
      pending.totalMessages,
    );
    if (conversation.pending !== pending) return; // GET has found it meanwhile
    conversation.messages.push(...messages);
    Object.assign(conversation, { totalMessages, totalTokens });
    stored(conversation);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (conversation.pending === pending) failed(conversation, error);
  }
  draw();
}

function failed(conversation, error) {
  const { pending } = conversation;
  if (error.status === 404) gone(conversation, error);
  // 412: the conversation has changed since it was read, perhaps by this very message.
  else if (error.messageStored !== false || error.status === 412)
    lookUp(conversation, error.status ? "waiting" : "checking", error);
  else if (isBusy(error) && !pending.retried) {
    Object.assign(pending, {
      phase: "retrying",
      retried: true,
      retryAt: Date.now() + error.retryAfter * 1000,
    });
    announce(`The model is busy. Trying again in ${plural(error.retryAfter, "second")}.`);
    setTimeout(() => pending === conversation.pending && attempt(conversation), error.retryAfter * 1000);
  } else notSent(conversation, error);
}

// By GET, until the message is there, or is absent while nobody writes the assistant.
async function lookUp(conversation, phase, cause) {
  const { pending } = conversation;
  pending.phase = phase;
  draw();
  for (let wait = 500; conversation.pending === pending; wait = Math.min(wait * 1.5, LONGEST_POLL)) {
    try {
      const { totalMessages, lockedUntil } = await readState(conversation.id);
      if (totalMessages !== pending.totalMessages || conversation.phase !== "ready")
        adopt(conversation, await readConversation(conversation.id), cause);
      pending.phase = phase;
      if (conversation.pending === pending && !lockedUntil && Date.now() - pending.since > ARRIVES_WITHIN)
        notSent(conversation, cause);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) gone(conversation, error);
      else if (error.status === 401) {
        pending.phase = "waiting"; // until there is a key
        return refused(error, state, "list");
      } else if (error.status === 0) pending.phase = navigator.onLine ? "checking" : "offline";
    }
    draw();
    if (conversation.pending === pending) await pause(wait);
  }
}

function stored(conversation, cause) {
  conversation.pending = null;
  summarize(conversation, conversation.messages.at(-1)?.createdAt);
  conversation.isNews = conversation.id !== state.open;
  announce(
    conversation.isNews
      ? `New reply from ${conversation.id}.`
      : `The reply is there. ${plural(conversation.totalTokens, "token")}.`,
  );
  if (cause?.messageStored)
    conversation.notice = {
      ...explain(cause, "open"),
      text: "Your message is stored, but the app reported a problem.",
      action: "",
    };
}

function takeBack(conversation) {
  const { pending, draft } = conversation;
  if (pending)
    Object.assign(conversation, {
      pending: null,
      draft: draft ? `${pending.text}\n\n${draft}` : pending.text,
    });
}

function notSent(conversation, cause) {
  takeBack(conversation);
  const { id } = conversation;
  if (!cause || cause.status === 0 || cause.messageStored === null) {
    const why = cause ? "There was no reply, and it is not stored" : "It is not stored";
    conversation.notice = {
      text: `Not sent. ${why}: send it again.`,
      action: "",
      detail: cause && explain(cause, "send").detail,
    };
  } else if (cause.status === 412)
    conversation.notice = {
      text: "Not sent: somebody else has written here. Read it, and send again.",
      action: "",
    };
  else {
    refused(cause, conversation, "send", id);
    conversation.notice.text = `Not sent. ${conversation.notice.text}`;
  }
  conversation.notBefore = cause?.retryAfter ? Date.now() + cause.retryAfter * 1000 : 0;
}

// What the button of a notice does

function act(action, { id, doing }) {
  const conversation = current();
  if (action === "open") return show(id);
  if (action === "key") return askForKey();
  if (action === "new") return show("");
  if (action === "replace") return askToStartOver(conversation);
  if (doing === "list") {
    state.notice = null;
    if (action === "again") connect();
  } else {
    conversation.notice = null;
    if (action === "again" && doing === "open") load(conversation);
    if (action === "again" && doing === "delete") remove({ id });
    if (action === "again" && doing === "replace") startOver({ id });
    if (action === "again" && (doing === "send" || doing === "create")) submit();
    at("message").focus();
  }
  draw();
}

function askToStartOver(conversation) {
  const stay = conversation.hidden ? "The instructions become the app's default." : "The instructions stay.";
  const lost = `${plural(conversation.totalMessages, "message")} will be deleted permanently. ${stay}`;
  confirmed(`Start ${conversation.id} over?`, lost, "Start over", () => startOver(conversation));
}

let confirmedAction = null;

function confirmed(title, text, label, action) {
  at("confirm-title").textContent = title;
  at("confirm-text").textContent = text;
  at("confirm-yes").textContent = label;
  confirmedAction = action;
  at("confirm").showModal();
}

// Events

function onSubmit(id, action) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}
const onClick = (id, action) => at(id).addEventListener("click", action);

onSubmit("connect", () => {
  const key = at("key").value.trim();
  if (!isHeaderValue(key)) {
    // The message of fetch is not helpful.
    state.notice = {
      text: "This is not a function key: it contains characters that no key has. Copy it again.",
      action: "",
      doing: "list",
    };
    draw();
    return;
  }
  sessionStorage.setItem("key", key);
  state.assistants = new Map();
  connect();
});
onSubmit("send", submit);
onSubmit("start", create);
at("message").addEventListener("keydown", (event) => {
  // In an input method, Enter selects a candidate.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
at("message").addEventListener("input", () => {
  current().draft = at("message").value;
  keep();
});
at("search").addEventListener("input", () => find(at("search").value.trim()));
at("scroller").addEventListener("scroll", () => {
  const end = isAtEnd(at("scroller"));
  current().scroll = end ? null : at("scroller").scrollTop;
  if (end) at("latest").hidden = true;
});
onClick("latest", () => {
  at("scroller").scrollTop = at("scroller").scrollHeight;
  at("message").focus();
});
onClick("new", () => show(""));
onClick("back", () => {
  state.view = "list";
  draw();
  (at("assistants").querySelector("[aria-current]") ?? at("new")).focus();
});
onClick("more", () => loadMore(LOADED_BY_ITSELF));
onClick("cancel", () => {
  takeBack(current());
  draw();
  at("message").focus();
});
onClick("delete", () => {
  const { id, totalMessages } = current();
  confirmed(
    `Delete ${id}?`,
    `Its ${plural(totalMessages, "message")} will be deleted permanently.`,
    "Delete it",
    () => remove({ id }),
  );
});
onClick("confirm-no", () => at("confirm").close());
onClick("confirm-yes", () => {
  at("confirm").close();
  confirmedAction();
});
addEventListener("hashchange", () => takeKeyFromAddress() && connect());
setInterval(() => {
  renderProgress(current());
  at("submit").ariaDisabled = String(!canSend(current()));
}, 500);

takeKeyFromAddress();
restore();
draw();
connect();
