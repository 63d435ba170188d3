// Elements from data. Text goes in as text nodes only: nothing here or elsewhere in the page parses HTML.

/**
 * Makes an element. `props`: `class`, `text`, `on` ({event: listener}), `data` ({name: value}); all others are attributes,
 * where true is an empty attribute and false, null or undefined none.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") element.className = value;
    else if (key === "text") element.textContent = value;
    else if (key === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (key === "data") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** What `setText` and `setClass` wrote last: to ask an element costs more than to remember, five hundred times a second. */
const texts = new WeakMap();
const classes = new WeakMap();

/** Sets text only when it differs, so that an unchanged number costs no layout; the text node stays the same one. */
export function setText(element, text) {
  if (texts.get(element) === text) return;
  texts.set(element, text);
  const { firstChild } = element;
  if (firstChild && firstChild === element.lastChild && firstChild.nodeType === Node.TEXT_NODE) firstChild.data = text;
  else element.textContent = text;
}

/** Sets an attribute only when it differs; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setClass(element, name) {
  if (classes.get(element) === name) return;
  classes.set(element, name);
  element.className = name;
}

/** Runs `work` at most once per painted frame, however often it is asked for. */
export function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** Hands the browser a file to save. */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
