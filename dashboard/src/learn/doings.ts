// What a lesson does, one after the other, and what each took.

import { h, setText } from "../dom";
import { milliseconds } from "../format";

export class Doings {
  readonly element = h("ol", { class: "doings", "aria-label": "What is done" });

  clear(): void {
    this.element.replaceChildren();
  }

  async run<T>(what: string, work: () => Promise<T>, tell: (done: T) => string): Promise<{ done: T; ms: number }> {
    const took = h("span", { class: "took" }, "…");
    this.element.append(h("li", {}, h("span", {}, what), took));
    const began = performance.now();
    try {
      const done = await work();
      const ms = performance.now() - began;
      setText(took, `${milliseconds(ms)}${tell(done)}`);
      return { done, ms };
    } catch (error) {
      setText(took, "not done");
      throw error;
    }
  }
}
