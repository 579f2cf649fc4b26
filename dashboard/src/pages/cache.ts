// Cache: what is kept of the texts that were read, and how they hang together.

import { getJson } from "../api";
import { h, panel, setText } from "../dom";
import { bytes, count, plural, seconds } from "../format";
import { Icicle, type Tree, type TreeNode } from "../icicle";
import { live } from "../live";
import type { Page } from "../page";

const REFRESH_MS = 3000;
const LISTED = 15;

class Cache {
  readonly element: HTMLElement;
  private readonly icicle = new Icicle();
  private readonly facts = h("dl", { class: "facts" });
  private readonly body = h("tbody");
  private readonly empty = h("p", { class: "empty" });
  private readonly problem = h("p", { class: "problem", role: "alert" });
  private readonly tenant = h("th", { scope: "col" }, "Tenant");
  private readonly abort = new AbortController();
  private timer = 0;

  constructor() {
    const head = (text: string) => h("th", { scope: "col", class: "number" }, text);
    const table = h("table", { class: "figures" },
      h("thead", {}, h("tr", {}, head("Tokens"), this.tenant, h("th", { scope: "col" }, "State"), head("Read again"),
        head("Last read"), head("On disk"))), this.body);
    this.element = h("div", { class: "stack" }, this.facts,
      panel("Prefix tree", "Texts that begin alike share what they begin with: it is read once and lies here once. Numbers " +
        "are tokens; to the right is further in the text. No text is shown, only its length.",
        this.problem, this.empty, this.icicle.element),
      h("details", { class: "panel" }, h("summary", {}, "The longest pieces as a table"),
        h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The longest pieces" }, table)));
    void this.refresh();
  }

  leave(): void {
    this.abort.abort();
    clearTimeout(this.timer);
    this.icicle.destroy();
  }

  private async refresh(): Promise<void> {
    try {
      this.show(await getJson<Tree>("v1/cache/tree", this.abort.signal));
      setText(this.problem, "");
    } catch (error) {
      if (this.abort.signal.aborted) return;
      setText(this.problem, error instanceof Error ? error.message : String(error));
    }
    this.timer = window.setTimeout(() => void this.refresh(), REFRESH_MS);
  }

  private show(tree: Tree): void {
    const admin = live.state?.admin ?? false;
    this.tenant.hidden = !admin;
    setText(this.empty, tree.nodes.length === 0 ? "Nothing is kept yet: answers leave what they have read here." : "");
    this.icicle.element.hidden = tree.nodes.length === 0;
    this.icicle.update(tree);
    this.tell(tree);
    const longest = [...tree.nodes].sort((a, b) => b.blocks - a.blocks).slice(0, LISTED);
    this.body.replaceChildren(...longest.map((node) => row(node, tree.block_tokens, admin)));
  }

  private tell(tree: Tree): void {
    const sum = (value: (node: TreeNode) => number) => tree.nodes.reduce((all, node) => all + value(node), 0);
    const roots = tree.nodes.filter(({ parent }) => parent === null).length;
    const blocks = sum(({ blocks: own, folded_blocks }) => own + folded_blocks) + tree.folded_blocks;
    const shared = sum((node) => (node.hits > 0 ? node.blocks : 0));
    const blockBytes = live.state?.block_bytes ?? NaN;
    const facts: [string, string][] = [
      ["Tokens kept", count(blocks * tree.block_tokens)],
      ["In memory", bytes(blocks * blockBytes)],
      ["Of it read again", plural(shared * tree.block_tokens, "token")],
      ["Also on disk", plural(sum(({ disk_blocks }) => disk_blocks) * tree.block_tokens, "token")],
      ["Beginnings", count(roots)],
      ["Pieces", count(tree.nodes.length)],
    ];
    this.facts.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }
}

function row(node: TreeNode, tokens: number, admin: boolean): HTMLElement {
  const number = (text: string) => h("td", { class: "number" }, text);
  return h("tr", {}, number(count(node.blocks * tokens)), admin && h("td", {}, node.tenant ?? ""),
    h("td", {}, { live: "in use", idle: "kept", pinned: "pinned" }[node.state]), number(`${count(node.hits)}×`),
    number(`${seconds(node.unused_seconds)} ago`), number(count(node.disk_blocks * tokens)));
}

export function cachePage(): Page {
  const page = new Cache();
  return { element: page.element, leave: () => page.leave() };
}
