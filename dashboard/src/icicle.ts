// The prefix tree as an icicle that lies on its side: to the right is further in the text, a piece is
// as wide as it has tokens and as high as there are texts that go on from it.

import { h, setText, svg } from "./dom";
import { count, plural, seconds } from "./format";

export interface TreeNode {
  parent: number | null;
  tenant?: string;
  state: "live" | "idle" | "pinned";
  blocks: number;
  disk_blocks: number;
  hits: number;
  unused_seconds: number;
  folded_blocks: number;
}

export interface Tree {
  block_tokens: number;
  nodes: TreeNode[];
  folded_blocks: number;
}

interface Piece extends TreeNode {
  index: number;
  children: number[];
  first: number; // block of the text that it begins with
  lane: number; // the uppermost of its lanes
  lanes: number;
}

const HEATS: [number, string, string][] = [
  [10, "--heat-0", "the last 10 s"],
  [60, "--heat-1", "the last minute"],
  [600, "--heat-2", "10 minutes"],
  [3600, "--heat-3", "an hour"],
  [Infinity, "--heat-4", "before that"],
];
const LARGEST_LANE = 22;
const LEAST_HEIGHT = 60;
const MOST_HEIGHT = 520;
const STATE_WORDS = { live: "in use by an answer", idle: "kept", pinned: "pinned" };

const heatOf = ({ unused_seconds }: TreeNode): string =>
  HEATS.find(([limit]) => unused_seconds < limit)?.[1] ?? "--heat-4";

function layOut(tree: Tree): { pieces: Piece[]; lanes: number; length: number } {
  const pieces: Piece[] = tree.nodes.map((node, index) => ({ ...node, index, children: [], first: 0, lane: 0, lanes: 0 }));
  let length = 1;
  for (const piece of pieces) {
    const parent = piece.parent === null ? undefined : pieces[piece.parent];
    parent?.children.push(piece.index);
    piece.first = parent ? parent.first + parent.blocks : 0;
    length = Math.max(length, piece.first + piece.blocks);
  }
  // Parents come before children, so backwards every child is known before its parent.
  for (const piece of [...pieces].reverse()) {
    piece.lanes = Math.max(1, piece.children.reduce((sum, child) => sum + (pieces[child]?.lanes ?? 0), 0));
  }
  let lanes = 0;
  for (const piece of pieces) {
    if (piece.parent === null) {
      piece.lane = lanes;
      lanes += piece.lanes;
    }
    let lane = piece.lane;
    for (const child of piece.children) {
      const below = pieces[child];
      if (!below) continue;
      below.lane = lane;
      lane += below.lanes;
    }
  }
  return { pieces, lanes, length };
}

export class Icicle {
  readonly element: HTMLElement;
  private readonly place = h("div", { class: "icicle", role: "application", tabindex: "0",
    "aria-label": "Prefix tree; the arrow keys walk through it" });
  private readonly words = h("p", { class: "hint", role: "status" });
  private pieces: Piece[] = [];
  private rects: SVGElement[] = [];
  private tokens = 16;
  private current = -1;
  private tree: Tree | undefined;
  private width = 0;
  private readonly resize = new ResizeObserver(() => {
    if (this.tree && this.place.clientWidth !== this.width) this.update(this.tree);
  });

  constructor() {
    const legend = h("ul", { class: "legend-line", "aria-label": "Last read within" });
    for (const [, colour, text] of HEATS) {
      const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.setProperty("--swatch", `var(${colour})`);
      legend.append(h("li", {}, swatch, text));
    }
    legend.append(h("li", {}, h("span", { class: "swatch on-disk", "aria-hidden": "true" }), "also on disk"));
    this.element = h("div", {}, legend, this.place, this.words);
    this.place.addEventListener("keydown", (event) => this.walk(event));
    this.place.addEventListener("mousemove", (event) => this.hover(event));
    this.place.addEventListener("focus", () => this.choose(Math.max(0, this.current)));
    this.resize.observe(this.place);
  }

  destroy(): void {
    this.resize.disconnect();
  }

  update(tree: Tree): void {
    this.tree = tree;
    this.tokens = tree.block_tokens;
    this.width = Math.max(200, this.place.clientWidth);
    const { pieces, lanes, length } = layOut(tree);
    this.pieces = pieces;
    const height = Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, lanes * LARGEST_LANE));
    const lane = Math.min(LARGEST_LANE, height / Math.max(1, lanes));
    const scale = this.width / length;
    const picture = svg("svg", { width: this.width, height: Math.max(1, lanes * lane), "aria-hidden": "true" });
    this.rects = pieces.map((piece) => this.draw(picture, piece, scale, lane));
    this.place.replaceChildren(picture);
    if (this.current >= pieces.length) this.current = -1;
    if (document.activeElement === this.place) this.choose(Math.max(0, this.current));
    else if (this.current < 0) setText(this.words, pieces.length > 0 ? "Point at a piece, or walk with the arrow keys." : "");
  }

  private draw(picture: SVGElement, piece: Piece, scale: number, lane: number): SVGElement {
    const x = piece.first * scale;
    const y = piece.lane * lane;
    const width = Math.max(0.5, piece.blocks * scale - 1);
    const height = Math.max(0.5, piece.lanes * lane - (lane > 4 ? 1 : 0));
    const rect = svg("rect", { x, y, width, height, class: `piece ${piece.state}`, "data-index": piece.index });
    rect.style.setProperty("fill", `var(${heatOf(piece)})`);
    picture.append(rect);
    if (piece.disk_blocks > 0 && height >= 5) {
      const share = piece.disk_blocks / piece.blocks;
      picture.append(svg("rect", { x, y: y + height - 3, width: width * share, height: 3, class: "disk-mark" }));
    }
    if (width > 64 && height >= 14) {
      const text = svg("text", { x: x + 5, y: y + Math.min(height / 2, 40) + 4, class: "piece-text" },
        `${count(piece.blocks * this.tokens)}`);
      picture.append(text);
    }
    return rect;
  }

  private hover(event: MouseEvent): void {
    const index = (event.target as Element).getAttribute("data-index");
    if (index !== null) this.choose(Number(index));
  }

  private walk(event: KeyboardEvent): void {
    const piece = this.pieces[this.current];
    if (!piece) return;
    const siblings = piece.parent === null
      ? this.pieces.filter(({ parent }) => parent === null).map(({ index }) => index)
      : (this.pieces[piece.parent]?.children ?? []);
    const at = siblings.indexOf(piece.index);
    const next: Record<string, number | null | undefined> = {
      ArrowRight: piece.children[0],
      ArrowLeft: piece.parent,
      ArrowUp: siblings[at - 1],
      ArrowDown: siblings[at + 1],
    };
    if (!(event.key in next)) return;
    event.preventDefault();
    const to = next[event.key];
    if (to !== undefined && to !== null) this.choose(to);
  }

  private choose(index: number): void {
    const piece = this.pieces[index];
    if (!piece) return;
    this.rects[this.current]?.classList.remove("chosen");
    this.current = index;
    this.rects[index]?.classList.add("chosen");
    setText(this.words, describe(piece, this.tokens));
  }
}

export function describe(piece: TreeNode & { first?: number; children?: number[] }, tokens: number): string {
  const parts = [
    `${plural(piece.blocks * tokens, "token")}${piece.first === undefined ? "" : `, from ${count(piece.first * tokens)} on`}`,
    piece.tenant ?? "",
    STATE_WORDS[piece.state],
    `read again ${count(piece.hits)}×, last ${seconds(piece.unused_seconds)} ago`,
    piece.disk_blocks > 0 ? `${plural(piece.disk_blocks, "block")} of ${count(piece.blocks)} also on disk` : "",
    (piece.children?.length ?? 0) > 1 ? `${count(piece.children?.length ?? 0)} ways on` : "",
    piece.folded_blocks > 0 ? `${plural(piece.folded_blocks, "block")} in small pieces that are not shown` : "",
  ];
  return parts.filter((part) => part !== "").join("; ");
}
