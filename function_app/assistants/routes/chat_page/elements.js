// Elements are made one by one: no text can become HTML, which the page's policy also forbids.

export const at = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Make the children of `parent` those of `entries` ({key, build, update}). One whose key is the same stays,
// with its focus, its selection and what is unfolded in it; `update` may change it.
export function reconcile(parent, entries) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const children = entries.map(({ key, build, update }) => {
    const child = before.get(key) ?? build();
    before.delete(key);
    child.dataset.key = key;
    update?.(child);
    return child;
  });
  for (const child of before.values()) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
