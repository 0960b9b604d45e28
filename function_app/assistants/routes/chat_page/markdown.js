// Markdown as elements. `marked` only splits the text into tokens; every element is made here, its content is
// text, and the only attribute that a text determines is the address of a link. HTML stays text, and an image
// is a link to it.
import { make } from "./elements.js";

const LINKS = ["http:", "https:", "mailto:"];
const MAX_DEPTH = 12;
const ENTITIES = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "©",
  deg: "°",
  euro: "€",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  laquo: "«",
  raquo: "»",
  larr: "←",
  rarr: "→",
  times: "×",
  bull: "•",
};
const SIMPLE = { paragraph: "p", blockquote: "blockquote", strong: "strong", em: "em", del: "del" };

// The elements of a text; the text itself where it cannot be parsed.
export function markdown(text) {
  try {
    return elements(new marked.Lexer({ gfm: true, breaks: true }).lex(text), 0);
  } catch {
    return [make("p", { className: "text" }, text)];
  }
}

function elements(tokens, depth) {
  return tokens.map((token) => (depth > MAX_DEPTH ? token.raw : element(token, depth + 1)));
}

function element(token, depth) {
  const inner = () => (token.tokens ? elements(token.tokens, depth) : [decoded(token.text ?? token.raw)]);
  if (token.type in SIMPLE) return make(SIMPLE[token.type], {}, ...inner());
  switch (token.type) {
    case "text":
      return make("span", {}, ...inner());
    case "heading": // all of one level, since a text cannot know the headings around it
      return make("h3", { className: `level${token.depth}` }, ...inner());
    case "list":
      return list(token, depth);
    case "table":
      return table(token, depth);
    case "code":
      return codeBlock(token);
    case "codespan":
      return make("code", {}, token.text);
    case "link":
      return link(token.href, inner());
    case "image":
      return link(token.href, [`Image: ${decoded(token.text) || token.href}`]);
    case "checkbox":
      return checkbox(token.checked);
    case "br":
    case "hr":
      return make(token.type);
    case "space":
    case "def":
      return "";
    case "escape":
      return token.text;
    default: // HTML, and what a later version of the library may add
      return token.raw;
  }
}

function list(token, depth) {
  const items = token.items.map((item) => {
    const content = elements(item.tokens, depth);
    const hasBox = item.tokens.some((inner) => inner.type === "checkbox");
    return make("li", {}, ...(item.task && !hasBox ? [checkbox(item.checked)] : []), ...content);
  });
  return token.ordered ? make("ol", { start: Number(token.start) || 1 }, ...items) : make("ul", {}, ...items);
}

const checkbox = (checked) =>
  make("span", { role: "img", ariaLabel: checked ? "done" : "open" }, checked ? "☑ " : "☐ ");

function table(token, depth) {
  const row = (cells, tag) =>
    make(
      "tr",
      {},
      ...cells.map((cell) => make(tag, { align: cell.align ?? "" }, ...elements(cell.tokens, depth))),
    );
  const head = make("thead", {}, row(token.header, "th"));
  const body = make("tbody", {}, ...token.rows.map((cells) => row(cells, "td")));
  // It scrolls, so the keyboard has to reach it.
  return make(
    "div",
    { className: "table", tabIndex: 0, role: "group", ariaLabel: "Table" },
    make("table", {}, head, body),
  );
}

function codeBlock(token) {
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    // Without HTTPS there is no clipboard, and a person may forbid it.
    const copied = await navigator.clipboard?.writeText(token.text).then(
      () => true,
      () => false,
    );
    copy.textContent = copied ? "Copied" : "Not allowed";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  const language = make("span", {}, token.lang?.split(/\s/)[0] ?? "");
  const code = make("pre", { tabIndex: 0, role: "group", ariaLabel: "Code" }, make("code", {}, token.text));
  return make("div", { className: "code" }, make("div", { className: "bar" }, language, copy), code);
}

function link(address, content) {
  const url = URL.parse?.(decoded(address)) ?? null;
  if (!url || !LINKS.includes(url.protocol)) return make("span", {}, ...content);
  // The title names the address, whatever the text of the link claims.
  return make(
    "a",
    { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" },
    ...content,
  );
}

// The lexer leaves character references, which HTML would decode.
function decoded(text) {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]+));/g, (all, decimal, hex, name) => {
    if (name) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : all;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}
