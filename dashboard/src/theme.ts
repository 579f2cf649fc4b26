// Light or dark: as the system says, or as the user chose. And the colours that canvases need.

export type Theme = "auto" | "light" | "dark";

const KEY = "quire.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

export function theme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "auto";
}

export function setTheme(wanted: Theme): void {
  if (wanted === "auto") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  applyTheme();
}

export function applyTheme(): void {
  const chosen = theme();
  const dark = chosen === "dark" || (chosen === "auto" && system.matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  for (const listener of [...listeners]) listener();
}

system.addEventListener("change", applyTheme);

/** Told when colours change. Returns how to be told no more. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The value of a colour of styles.css. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export const TENANT_COLOURS = 8;

/** Tenants beyond the eighth share the last colour; their names tell them apart. */
export function tenantColour(index: number): string {
  return `--tenant-${Math.min(index, TENANT_COLOURS - 1)}`;
}
