// What the page knows of a conversation, and in which words it says it. No element, and no request.

export function newConversation(id) {
  return {
    id, // "" for the one that is not created yet
    phase: "unread", // or "loading", "ready", "gone"
    messages: [],
    totalMessages: 0,
    totalTokens: 0,
    hidden: false, // the app does not show the instructions
    draft: "", // what stands in the text field
    pending: null, // the message that is on its way, see page.js
    notice: null, // the problem beside the text field, see `explain`
    scroll: null, // the reading place, in pixels; null: at the end
  };
}

const roleOf = (message) => String(message.role).toLowerCase(); // old versions of the extension wrote lower case

export function isStored({ messages, pending }) {
  return messages.some(
    (m) => m.number > pending.totalMessages && roleOf(m) === "user" && m.content === pending.text,
  );
}

export const instructionsOf = ({ messages }) =>
  messages.find((message) => roleOf(message) === "system")?.content;

// Messages as entries {key, kind, text, …}; a tool call and its result are one entry of the kind "skill".
export function entriesOf(messages) {
  const entries = [];
  const calls = new Map();
  for (const message of messages) {
    const role = roleOf(message);
    const kind = role === "system" || role === "user" ? role : "assistant";
    const key = `${message.number}`;
    const { content: text, createdAt, toolCalls = [] } = message;
    if (role === "tool") {
      const [name, result] = resultOf(text);
      const call = calls.get(message.toolCallId) ?? { key, kind: "skill", name, arguments: "", createdAt };
      if (!calls.delete(message.toolCallId)) entries.push(call);
      Object.assign(call, { result, failed: result.startsWith(FAILED), key: `${call.key} ${key}` });
      continue;
    }
    if (text || !toolCalls.length) entries.push({ key, kind, text: text || "(empty)", createdAt });
    toolCalls.forEach((call, index) => {
      const entry = { key: `${key}.${index}`, kind: "skill", name: String(call.functionName), createdAt };
      entry.arguments = String(call.functionArguments ?? "");
      calls.set(call.id, entry);
      entries.push(entry);
    });
  }
  return entries;
}

// How the extension reports a result to the model, and so stores it (AssistantService.cs).
const RESULT = /^Function Name: '([^']*)' and Function Result: '([\s\S]*)'$/;
const FAILED = "The function call failed";

function resultOf(text) {
  const [, name = "a skill", result = text] = RESULT.exec(text) ?? [];
  try {
    const value = JSON.parse(result);
    return [name, typeof value === "string" ? value : result];
  } catch {
    return [name, result];
  }
}

// "Used AddTodo: buy milk".
export function skillTitle(skill) {
  const values = shortened(argumentsOf(skill.arguments), 90);
  if (skill.result === undefined) return `${skill.name} has no result`;
  const title = skill.failed ? `${skill.name} failed` : `Used ${skill.name}`;
  return values ? `${title}: ${values}` : title;
}

function argumentsOf(text) {
  try {
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object") return String(value ?? "");
    return Object.values(value)
      .map((v) => (typeof v === "string" ? v : JSON.stringify(v)))
      .filter(Boolean)
      .join(", ");
  } catch {
    return text;
  }
}

function shortened(text, length) {
  const line = text.replace(/\s+/g, " ").trim();
  const characters = Array.from(line.slice(0, length + 2));
  return line.length > length ? `${characters.slice(0, length - 1).join("")}…` : line;
}

export const plural = (count, noun) => `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;

// The time of today, or else the day.
export function shortTime(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime()) || moment.getFullYear() < 2000) return "";
  if (moment.toDateString() === new Date().toDateString())
    return moment.toLocaleTimeString([], { timeStyle: "short" });
  return moment.toLocaleDateString([], { day: "numeric", month: "short" });
}

export const byLastUse = (a, b) =>
  String(b.lastUpdatedAt).localeCompare(String(a.lastUpdatedAt)) || (a.assistantId < b.assistantId ? -1 : 1);

// An id that a person can read: the first words of a message. `suffix` tells it from one that exists.
export function idFrom(message, suffix = "") {
  const plain = message.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = (plain.match(/[a-z0-9]+/g) ?? []).slice(0, 6);
  const id = words.reduce(
    (all, word) => (all.length + word.length < 40 ? `${all}${all && "-"}${word}` : all),
    "",
  );
  return `${id || "chat"}${suffix && `-${suffix}`}`;
}

export const MAX_UNITS = 32_768; // of a message and of instructions, as the API counts (UTF-16)

// A notice {text, action, retryAfter, detail}: what happened and the one thing to do, in the person's words.
// `detail` is what the API says. `doing` is "list", "open", "create", "send", "delete" or "replace".
export function explain(error, doing, id = "") {
  const { status, retryAfter } = error;
  const others = error.errors.length > 1 ? error.errors.map((e) => `${e.name ?? e.in} ${e.detail}`) : [];
  const detail = [`${error.message}: ${error.detail}`, ...others].join("\n");
  const [text, action] = wordsFor(error, doing, id);
  return { text, action, retryAfter, detail };
}

function wordsFor(error, doing, id) {
  const sends = doing === "send";
  if (error.status === 0) {
    return [!navigator.onLine ? "You are offline." : "The app cannot be reached.", "again"];
  }
  if (isBusy(error)) {
    if (error.status === 409) return ["Another request is changing this assistant.", "again"];
    return [sends ? "The model is busy." : "The app is busy.", "again"];
  }
  switch (error.status) {
    case 400:
      return [sends ? "This message cannot be stored." : "The app does not accept this.", ""];
    case 401:
      return ["The key is missing or was refused.", "key"];
    case 404:
      if (doing === "list") return ["The API is not here: the app is another one, or its settings are wrong.", "again"];
      return ["This assistant does not exist any more: it was deleted elsewhere.", "new"];
    case 409:
      return ["This conversation cannot go on.", "replace"];
    case 412:
      return [`An assistant named ${id} exists already: open it, or choose another name.`, "open"];
    default:
      return ["The app could not do this.", "again"];
  }
}

export const isBusy = ({ retryAfter, status }) => retryAfter > 0 && [409, 429, 503].includes(status);
