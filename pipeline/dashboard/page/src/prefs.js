// What the viewer chose once and keeps: colours, theme, number format, size of heat map tiles. Kept in this browser.

const KEY = "breadth.preferences";
const CHOICES = {
  palette: ["green-red", "blue-orange", "red-green"],
  theme: ["auto", "dark", "light"],
  numbers: ["auto", "indian", "international"],
  area: ["value", "equal"],
  lines: ["net", "both"],
};

const listeners = new Set();
let current = read();

/** Preferences as stored; anything unknown or unreadable is the first choice. */
function read() {
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    stored = {};
  }
  return Object.fromEntries(
    Object.entries(CHOICES).map(([name, allowed]) => [name, allowed.includes(stored[name]) ? stored[name] : allowed[0]]),
  );
}

export const preferences = () => current;

export function prefer(name, value) {
  if (!CHOICES[name]?.includes(value) || current[name] === value) return;
  current = { ...current, [name]: value };
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // A browser that refuses storage still honours the choice for this visit.
  }
  for (const listener of listeners) listener(current);
}

export function onPreference(listener) {
  listeners.add(listener);
}

/** `dark` or `light`, whatever the theme preference resolves to now. */
export function effectiveTheme() {
  if (current.theme !== "auto") return current.theme;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  current = read();
  for (const listener of listeners) listener(current);
});

matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
  for (const listener of listeners) listener(current);
});
