// Sessions in the order of a tree: each fork behind the session that it was forked from.

import { h, setVar } from "./dom";

export interface Forked {
  id: string;
  forked_from: string | null;
}

export interface Placed<T> {
  session: T;
  /** For each level above, whether its line goes on below; the last is the session's own. */
  lines: boolean[];
}

/** Those whose parent is not among them begin a tree of their own. Nobody's order changes otherwise. */
export function asTree<T extends Forked>(sessions: T[]): Placed<T>[] {
  const here = new Set(sessions.map(({ id }) => id));
  const forks = new Map<string, T[]>();
  const roots: T[] = [];
  for (const session of sessions) {
    const { forked_from: parent } = session;
    if (parent === null || !here.has(parent) || parent === session.id) roots.push(session);
    else forks.set(parent, [...(forks.get(parent) ?? []), session]);
  }
  const placed: Placed<T>[] = [];
  const rest: Placed<T>[] = roots.map((session) => ({ session, lines: [] })).reverse();
  for (let next = rest.pop(); next; next = rest.pop()) {
    placed.push(next);
    const { session, lines } = next;
    const own = forks.get(session.id) ?? [];
    rest.push(...own.map((fork, i) => ({ session: fork, lines: [...lines, i + 1 < own.length] })).reverse());
  }
  return placed;
}

/** The lines that lead to a session, to be put first into its cell. */
export function branches(lines: boolean[]): HTMLElement[] {
  return lines.map((goesOn, level) => {
    const own = level + 1 === lines.length;
    const kind = own ? (goesOn ? "tee" : "elbow") : goesOn ? "through" : "none";
    const branch = h("span", { class: `branch ${kind}`, "aria-hidden": "true" });
    setVar(branch, "--level", String(level));
    return branch;
  });
}
