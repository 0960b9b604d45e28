// Requests to the API. None changes what the page displays.

// Relative to this page, for any route prefix of the app, with or without a trailing slash.
const API = location.pathname.replace(/\/*$/, "").replace(/[^/]*$/, "assistants");
export const PAGE = 100;

// `status` 0: there was no response. `messageStored`: true, false, or null if that is not known.
export class ApiError extends Error {
  constructor(title, { status = 0, detail = "", errors = [], messageStored = null, retryAfter = 0 } = {}) {
    super(title);
    Object.assign(this, { status, detail, errors, messageStored, retryAfter });
  }
}

function seconds(retryAfter) {
  if (!retryAfter) return 0;
  const value = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Math.min(Math.max(Math.ceil(value) || 0, 0), 600);
}

async function call(method, path, { body, headers = {} } = {}) {
  const key = sessionStorage.getItem("key");
  let response;
  let text;
  try {
    response = await fetch(API + path, {
      method,
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
    text = await response.text();
  } catch (error) {
    throw new ApiError("No response", { detail: error.message });
  }
  let content = null;
  try {
    content = text && JSON.parse(text);
  } catch {
    // A gateway answers in HTML; the status is sufficient.
  }
  if (response.ok && (content || response.status === 204)) return content;
  const problem = content && typeof content === "object" ? content : {};
  const { status } = response;
  throw new ApiError(`${status} ${problem.title ?? response.statusText}`.trim(), {
    status,
    detail: problem.detail ?? "The response contains no description of the problem.",
    errors: Array.isArray(problem.errors) ? problem.errors : [],
    // A request that was refused stored nothing; anything else, such as a gateway's 502 or its page with a
    // 200, does not say what the app did.
    messageStored: problem.messageStored ?? (status >= 400 && status < 500 ? false : null),
    retryAfter: seconds(response.headers.get("retry-after")),
  });
}

const path = (id) => `/${encodeURIComponent(id)}`;

// One page of assistants by id, of all or of those whose ids begin with `prefix`. `counts`: it has `remaining`.
export function listAssistants({ token = "", prefix = "", counts = false }) {
  const query = new URLSearchParams({ limit: PAGE });
  if (token) query.set("continuationToken", token);
  if (prefix) query.set("prefix", prefix);
  if (counts) query.set("includeRemaining", true);
  return call("GET", `?${query}`);
}

// The state with all messages; `hidden`: the app does not show the instructions.
export async function readConversation(id) {
  const query = new URLSearchParams({ limit: PAGE, includeInstructions: true });
  const messages = [];
  let state;
  do {
    try {
      state = await call("GET", `${path(id)}?${query}`);
    } catch (error) {
      if (error.status !== 403 || !query.has("includeInstructions")) throw error;
      query.delete("includeInstructions"); // the setting exposeInstructions is off
      continue;
    }
    messages.push(...state.messages);
    query.set("continuationToken", state.continuationToken ?? "");
  } while (!state || state.continuationToken);
  return { ...state, messages, hidden: !query.has("includeInstructions") };
}

// The state with at most one message, and with `lockedUntil` while another request writes the assistant.
export const readState = (id) => call("GET", `${path(id)}?limit=1&includeLock=true`);

// An existing conversation is kept (412), unless `replace` is set. Without `instructions`: the app's default.
export function createAssistant(id, instructions, { replace = false } = {}) {
  const body = instructions === undefined ? undefined : { instructions };
  return call("PUT", path(id), { body, headers: replace ? {} : { "if-none-match": "*" } });
}

// With the number of messages that are known the API stores a message that is sent twice only once.
export function postMessage(id, message, totalMessages) {
  return call("POST", `${path(id)}/messages`, { body: { message, totalMessages } });
}

export const deleteAssistant = (id) => call("DELETE", path(id));
