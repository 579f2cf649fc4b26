// One runner of the race: its text as it is written, and its clock.

import { h, setText, setVar } from "../dom";
import { count, milliseconds } from "../format";

export class Lane {
  readonly element: HTMLElement;
  private readonly text = h("p", { class: "written" });
  private readonly clock = h("p", { class: "clock" }, "–");
  private readonly about: HTMLElement;
  private frame = 0;
  private began = 0;

  constructor(name: string, private readonly words: string, colour: string) {
    this.about = h("p", { class: "hint" }, words);
    this.element = h("section", { class: "lane", "aria-label": name },
      h("header", {}, h("h3", {}, name), this.clock), this.about, this.text);
    setVar(this.element, "--runner", `var(${colour})`);
  }

  clear(): void {
    cancelAnimationFrame(this.frame);
    this.text.replaceChildren();
    setText(this.clock, "–");
    setText(this.about, this.words);
    this.element.dataset["state"] = "waiting";
  }

  begin(): void {
    this.began = performance.now();
    this.element.dataset["state"] = "running";
    const tick = () => {
      if (!this.element.isConnected) return;
      setText(this.clock, milliseconds(performance.now() - this.began));
      this.frame = requestAnimationFrame(tick);
    };
    tick();
  }

  add(text: string, number: number, about?: string): void {
    this.text.append(h("span", { class: "piece-of-text", title: `token ${number}` }, text));
    if (about !== undefined) setText(this.about, about);
  }

  end(ms: number, computed: number): void {
    cancelAnimationFrame(this.frame);
    this.element.dataset["state"] = "done";
    setText(this.clock, milliseconds(ms));
    setText(this.about, `${count(computed)} tokens computed`);
  }
}
