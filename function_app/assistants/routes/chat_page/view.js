// Draws the state of page.js; nothing here changes it, or sends a request.
import { at, make, reconcile } from "./elements.js";
import { markdown } from "./markdown.js";
import { byLastUse, entriesOf, plural, shortTime, skillTitle } from "./model.js";

const AT_END = 48; // pixels from the end at which a reader still follows the conversation
const LABELS = {
  again: "Try again",
  key: "Enter the key",
  new: "New assistant",
  open: "Open it",
  replace: "Start over",
};

const setText = (element, text) => element.textContent === text || (element.textContent = text);

// `act(action, notice)` is called by the button of a notice.
export function render(state, act) {
  document.body.dataset.view = state.view;
  const granted = state.access === "granted";
  at("access").hidden = state.access === "checking";
  const works = sessionStorage.getItem("key") ? "Function key: works" : "No function key is needed";
  setText(at("access-title"), granted ? works : "Function key");
  at("list").hidden = at("new").hidden = !granted;
  renderNotice(at("side-notice"), state.notice, act);
  renderList(state, act);
  renderConversation(state, act);
}

function renderNotice(box, notice, act) {
  if (box.notice === notice) return; // an alert that is drawn again would be announced again
  box.notice = notice;
  box.hidden = !notice;
  if (!notice) return box.replaceChildren();
  const button = (label, action) => {
    const element = make("button", { type: "button" }, label);
    element.addEventListener("click", () => act(action, notice));
    return element;
  };
  const buttons = notice.action ? [button(LABELS[notice.action], notice.action)] : [];
  box.replaceChildren(
    make(
      "div",
      { className: "row" },
      make("p", { dir: "auto" }, notice.text),
      ...buttons,
      button("Dismiss", "dismiss"),
    ),
  );
  if (notice.detail)
    box.append(
      make(
        "details",
        {},
        make("summary", {}, "Details"),
        make("div", { className: "text", dir: "auto" }, notice.detail),
      ),
    );
}

// The list

function renderList(state, act) {
  const { assistants, conversations, open, search, complete } = state;
  const listed = [...assistants.values()]
    .filter(({ assistantId }) => assistantId.startsWith(search))
    .sort(byLastUse);
  const entries = listed.map((assistant) => {
    const id = assistant.assistantId;
    const build = () => {
      const button = make("button", { type: "button" }, make("bdi", {}, id), make("small"));
      button.dataset.id = id;
      button.addEventListener("click", () => act("open", { id }));
      return make("li", {}, button);
    };
    const update = ({ firstChild: button }) => {
      const conversation = conversations.get(id);
      const news = conversation?.pending ? "waiting for the reply" : conversation?.isNews ? "new reply" : "";
      const facts = [plural(assistant.totalMessages, "message"), news || shortTime(assistant.lastUpdatedAt)];
      setText(button.lastChild, facts.filter(Boolean).join(" · "));
      button.lastChild.className = news && "news";
      if (id === open) button.ariaCurrent = "true";
      else button.removeAttribute("aria-current");
    };
    return { key: id, build, update };
  });
  reconcile(at("assistants"), entries);
  setText(at("count"), state.searchProblem || countText(state, listed.length));
  at("more").hidden = Boolean(search) || complete;
}

function countText({ assistants, search, matches, complete, remaining }, listed) {
  if (search) {
    if (!matches) return `${listed} found so far`;
    const more = { ...matches, count: Math.max(matches.count - listed, 0) };
    return `${listed || "None"} found${more.count || !more.isExact ? `, ${moreText(more)}` : ""}`;
  }
  const loaded = plural(assistants.size, "assistant");
  if (complete) return assistants.size ? `${loaded}, last used first` : "There are no assistants yet.";
  return `${loaded} loaded by id, last used first; ${moreText(remaining)}.`;
}

// "237 more", or where the count ended before the last one: "more than 1,000 more".
const moreText = (remaining) =>
  remaining?.count > 0
    ? `${remaining.isExact ? "" : "more than "}${remaining.count.toLocaleString()} more`
    : "there are more";

// The conversation

let drawn = null;

function renderConversation({ conversations, open, access }, act) {
  const conversation = conversations.get(open);
  const scroller = at("scroller");
  const isOther = drawn !== conversation;
  const follows = isOther
    ? conversation.scroll === null
    : scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END;
  const isNew = conversation.id === "";
  const log = at("log");
  if (isOther) log.ariaLive = "off"; // only what is added later is announced
  const name = conversation.id || "New assistant";
  setText(at("title"), access === "needed" ? "Enter the function key to begin" : name);
  setText(at("facts"), factsOf(conversation));
  at("delete").hidden = isNew || conversation.phase === "gone";
  at("start").hidden = !isNew || access !== "granted";
  const entries = entriesOf(conversation.messages).map((entry) => ({
    key: entry.key,
    build: () => drawEntry(entry),
  }));
  const { pending } = conversation;
  if (pending)
    entries.push({
      key: `pending ${pending.since}`,
      build: () => drawEntry({ kind: "user", text: pending.text }),
    });
  if (isOther) at("messages").replaceChildren();
  const before = at("messages").childElementCount;
  reconcile(at("messages"), entries);
  const last = at("messages").lastElementChild;
  const isLonger = entries.length > before;
  renderProgress(conversation);
  renderNotice(at("notice"), conversation.notice, act);
  const field = at("message");
  if (field.value !== conversation.draft) field.value = conversation.draft;
  field.readOnly = conversation.phase === "gone";
  at("composer").hidden = access !== "granted";
  at("submit").ariaDisabled = String(!canSend(conversation));
  drawn = conversation;
  if (isOther) {
    scroller.scrollTop = conversation.scroll ?? scroller.scrollHeight;
    requestAnimationFrame(() => (log.ariaLive = "polite"));
  } else if (follows && (isLonger || pending)) showEnd(scroller, last);
  if (isOther || follows) at("latest").hidden = true;
  else if (isLonger) at("latest").hidden = false;
}

// The end, but not beyond the beginning of what was said last.
function showEnd(scroller, last) {
  let question = last;
  while (question && !question.classList.contains("user")) question = question.previousElementSibling;
  const start = question ? question.offsetTop - 16 : Number.POSITIVE_INFINITY;
  scroller.scrollTop = Math.min(start, scroller.scrollHeight);
}

export const isAtEnd = (scroller) =>
  scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END;

export function canSend({ phase, pending, notBefore = 0 }) {
  return (phase === "ready" || phase === "new") && !pending && Date.now() >= notBefore;
}

function factsOf({ id, phase, totalMessages, totalTokens, hidden }) {
  if (!id) return "";
  if (phase === "loading" || phase === "unread") return "Loading…";
  const facts = [plural(totalMessages, "message"), ...(totalTokens ? [plural(totalTokens, "token")] : [])];
  return [...facts, ...(hidden ? ["instructions hidden by this app"] : [])].join(" · ");
}

const PROGRESS = {
  creating: "Creating the assistant",
  sending: "Thinking",
  waiting: "Waiting for the reply",
  checking: "The connection was lost. Finding out whether your message was stored",
  offline: "You are offline. Whether your message was stored is found out when the connection is back",
  retrying: "The model is busy. Trying again",
};

// What is awaited, with the seconds since then or until then; a screen reader announces no timer.
export function renderProgress({ phase, pending, notBefore = 0 }) {
  const stage = phase === "creating" ? phase : pending?.phase;
  at("progress").hidden = !stage;
  at("cancel").hidden = stage !== "retrying";
  if (stage) {
    setText(at("progress-text"), PROGRESS[stage]);
    const until = stage === "retrying" ? Math.ceil((pending.retryAt - Date.now()) / 1000) : 0;
    const since = pending ? Math.floor((Date.now() - pending.since) / 1000) : 0;
    setText(at("elapsed"), until > 0 ? `in ${until} s` : since > 2 ? `${since} s` : "");
  }
  const wait = Math.ceil((notBefore - Date.now()) / 1000);
  setText(at("timer"), wait > 0 ? `You can send again in ${wait} s.` : "");
}

function drawEntry(entry) {
  const { kind, text, createdAt } = entry;
  const title = createdAt ? new Date(createdAt).toLocaleString() : "";
  if (kind === "skill") return drawSkill(entry);
  if (kind === "system") return fold("Instructions", "", plain(text));
  const element = make("li", { className: kind === "user" ? "user" : "assistant", title });
  element.append(make("span", { className: "unseen" }, kind === "user" ? "You: " : "Assistant: "));
  element.append(
    kind === "assistant"
      ? make("div", { className: "markdown", dir: "auto" }, ...markdown(text))
      : plain(text),
  );
  return element;
}

function drawSkill(skill) {
  const parts = [
    ["Arguments", skill.arguments],
    ["Result", skill.result],
  ].filter(([, text]) => text);
  const content = parts.flatMap(([name, text]) => [make("h3", {}, name), make("pre", { dir: "auto" }, text)]);
  return fold(skillTitle(skill), skill.failed || skill.result === undefined ? "failed" : "", ...content);
}

const plain = (text) => make("div", { className: "text", dir: "auto" }, text);

function fold(title, className, ...content) {
  const details = make(
    "details",
    { className: `fold ${className}` },
    make("summary", { dir: "auto" }, title),
    make("div", {}, ...content),
  );
  return make("li", {}, details);
}
