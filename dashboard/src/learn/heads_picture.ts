// Query heads as a row, and under it what they share: as many pieces as have keys and values of their own.

import { svg } from "../dom";
import type { Kind } from "./models";

const WIDTH = 224;
const LARGEST = 14;

export function headsPicture(queryHeads: number, { heads, id }: Kind): SVGElement {
  const side = Math.min(LARGEST, WIDTH / queryHeads);
  const gap = side > 4 ? 2 : side > 2 ? 0.6 : 0.2;
  const width = queryHeads * side;
  const picture = svg("svg", { width: WIDTH, height: 40, class: "heads", "aria-hidden": "true" });
  for (let i = 0; i < queryHeads; ++i) {
    picture.append(svg("rect", { x: i * side, y: 2, width: side - gap, height: 10, class: "query-head", rx: Math.min(2, side / 4) }));
  }
  const group = width / heads;
  // What is kept is as wide as it is large beside one head; a latent as four and a half of them.
  const piece = id === "MLA" ? Math.min(width, side * 2.25) : side - gap;
  for (let i = 0; i < heads; ++i) {
    const middle = i * group + group / 2;
    if (heads < queryHeads) {
      picture.append(svg("path", { class: "shares", d: `M${i * group + 1} 14 V17 H${(i + 1) * group - gap - 1} V14 ` +
        `M${middle - gap / 2} 17 V24` }));
    }
    picture.append(svg("rect", { x: middle - gap / 2 - piece / 2, y: heads < queryHeads ? 24 : 18, width: piece, height: 12,
      class: id === "MLA" ? "kv-head latent" : "kv-head", rx: Math.min(2, side / 4) }));
  }
  return picture;
}
